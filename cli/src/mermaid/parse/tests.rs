//! What is read of a chart, and that nothing breaks the reader.

use super::*;

fn read(text: &str) -> (Vec<(String, String)>, Vec<[String; 3]>) {
    let chart = parse(text, 0..text.len()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let id = |at: usize| chart.nodes[at].id.clone();
    let nodes = chart.nodes.iter().map(|node| (node.id.clone(), node.lines.join("/"))).collect();
    let edges = chart.edges.iter().map(|edge| [id(edge.from), id(edge.to), edge.label.clone()]).collect();
    (nodes, edges)
}

#[test]
fn nodes_and_arrows_are_read() {
    let (nodes, edges) = read(
        "---\ntitle: x\n---\n%%{init: {}}%%\n%% c\nflowchart TD; a([Start]):::hot -->|\"5 min\"| b{\"Seen<br/>when?\"}\n\
         b -- more than 30 min --> c_1[/x/] & d-2((y))\n subgraph G [group]\n direction LR\n\
         d-2 ==> e == done ==> f\n end\n style a fill:white; e -. store and forward .-> f\n c_1 -.->\n%% c\n  g\n",
    );
    let nodes: Vec<(&str, &str)> = nodes.iter().map(|(id, label)| (&**id, &**label)).collect();
    assert_eq!(
        nodes,
        [("a", "Start"), ("b", "Seen/when?"), ("c_1", "x"), ("d-2", "y"), ("e", "e"), ("f", "f"), ("g", "g")]
    );
    let edges: Vec<String> = edges.iter().map(|edge| edge.join(" ")).collect();
    assert_eq!(
        edges,
        [
            "a b 5 min",
            "b c_1 more than 30 min",
            "b d-2 more than 30 min",
            "d-2 e ",
            "e f done",
            "e f store and forward",
            "c_1 g ",
        ]
    );
}

/// Damaged anywhere, a chart is read or refused: it never panics, and each fault is within the text.
#[test]
fn damaged_charts_are_read_or_refused() {
    const PARTS: &[&str] = &[
        "A",
        "b-c",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "\"",
        "|",
        "-->",
        "--",
        "-.->",
        "-.",
        ".->",
        "==>",
        "==",
        " & ",
        ";",
        "\n",
        "%%",
        "%%{",
        "}%%",
        "subgraph x\n",
        "end\n",
        "<br/>",
        "#35;",
        "&amp;",
        "@",
        ":::",
        "é",
        "\u{2028}",
        "\r\n",
        "style a fill:#f;",
        "direction TD",
        "%% step: A = b\n",
        "---\n",
        "flowchart TD\n",
        "~~~",
        " ",
        "\\n",
    ];
    let whole = "flowchart TD\nA([One]) -->|\"x\"| B{Two}\nB -- y --> C & D[\"é<br/>ü\"]\nsubgraph G\nend\n";
    let mut state = 7_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    for _ in 0..20_000 {
        let mut text = whole.to_owned();
        for _ in 0..=below(4) {
            let mut at = below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match below(3) {
                0 => text.truncate(at),
                1 => text.insert_str(at, PARTS[below(PARTS.len())]),
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        let text = format!("é{text}");
        match parse(&text, 2..text.len()) {
            Ok(chart) => {
                assert!(chart.edges.iter().all(|edge| edge.from.max(edge.to) < chart.nodes.len()));
            }
            Err(faults) => {
                assert!(!faults.is_empty(), "{text}");
                let within = |fault: &Fault| fault.at.start <= fault.at.end && fault.at.end <= text.len();
                assert!(faults.iter().all(within), "{text}: {faults:?}");
            }
        }
    }
}

/// Mermaid refuses these, or reads something else: random charts found them.
#[test]
fn what_mermaid_reads_otherwise_is_refused() {
    for line in [
        "A -->|x|\nB",
        "A --> |x|  B",
        "%%%{init: {}}%%",
        "%%",
        "click \"https://example.org\"",
        "click A \"https://example.org\" ; A --> B",
        "class  A -. x .-> B",
        "subgraph \nA\nend",
        "subgraph\nA\nend",
        "A\nstyle A fill:#fff --> B",
        "A[style x:#35;] --> B",
        "A[mail@x] --> B",
        "A&B --> C",
        "A[~~~ x] --> B",
        "x--> B",
        "1a --> B",
        "A -- max--> B",
        "A -. 2.5 min .-> B",
        "A -. store-and-forward .-> B",
        "A --> B\nlinkStyle 1 stroke:red",
        "linkStyle 0 stroke:red\nA --> B",
        "class A hot ",
        "class A,B,  hot",
        "classDef hot stroke:#f00--x",
        "classDef hot stroke",
        "A\nstyle A fill:rgb(1,2,3)",
        "A\nstyle A fill:#fff,end:1",
        "A\nstyle A fill:v",
        "style B fill:white\nA --> B",
        "A\nstyle A fill:#fff; B --> A",
        "%%{ini: {}}%%",
        "%%{init: x}%%",
        "click A \"https://example.org\" ",
        "direction LR; A --> B",
        "A --> B\n  --> C[a direction LR]",
        "A[direction\nTB] --> B",
    ] {
        let text = format!("flowchart TD\n{line}\n");
        assert!(parse(&text, 0..text.len()).is_err(), "{line}");
    }
    for text in [
        "flowchart TD ; A\n",
        "flowchart;\nA\n",
        "\n---\ntitle: x\n---\nflowchart TD\nA\n",
        " ---\ntitle: x\n---\nflowchart TD\nA\n",
        "---\n---\nflowchart TD\nA\n",
        "---\ntitle x\n---\nflowchart TD\nA\n",
        "---\ntitle: x\ntitle: y\n---\nflowchart TD\nA\n",
        "---\ntitle: [x\n---\nflowchart TD\nA\n",
        "---\ntitle: x: y\n---\nflowchart TD\nA\n",
        "---\nconfig:\n  theme: base\n look: neo\n---\nflowchart TD\nA\n",
        "---\ntitle: x\n  theme: base\n---\nflowchart TD\nA\n",
        "---\ntitle: x\n ---\nflowchart TD\nA\n",
    ] {
        assert!(parse(text, 0..text.len()).is_err(), "{text}");
    }
}

#[test]
fn statements_that_only_draw_are_left_aside() {
    let (nodes, edges) = read(
        "---\ntitle: \"Feed: hall 2\"\nconfig:\n  theme: base\n  flowchart:\n    curve: linear\n  look: neo\n---\n\
         flowchart LR;A --> B\nclass A,B hot\nclassDef hot,cold fill:#f9f,stroke-width:2.5px,stroke-dasharray:5 5\n\
         classDef default opacity:50%\nstyle A fill:#fff;\nlinkStyle 0 stroke:red\nlinkStyle default stroke:#f00\n\
         click A \"https://example.org\" \"a tip\" _blank\nclick B href \"#x\"\nclick A call open()\n\
         subgraph g\ndirection TB\nC\nend\n",
    );
    let nodes: Vec<&str> = nodes.iter().map(|(id, _)| &**id).collect();
    assert_eq!((nodes, edges.len()), (vec!["A", "B", "C"], 1));
}
