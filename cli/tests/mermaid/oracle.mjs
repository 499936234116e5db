// Random flowcharts of the declared subset, read by `iot-runbook drift` and by Mermaid itself: the nodes, labels and
// arrows must be equal. Charts that are damaged may be refused, but what is read must be what Mermaid reads.
//
//   node oracle.mjs BINARY CHARTS SEED
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are beside the folder that the script is run from, not beside the script.
const require = createRequire(pathToFileURL(process.cwd() + "/"));
const { JSDOM } = require("jsdom");
const window = new JSDOM("").window;
globalThis.window = window;
globalThis.document = window.document;
const mermaid = (await import(pathToFileURL(require.resolve("mermaid/dist/mermaid.core.mjs")).href)).default;
mermaid.initialize({ startOnLoad: false });

const [binary, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

// A small generator of its own, so that a seed gives the same charts everywhere.
let state = (seed * 2654435761 + 1) >>> 0;
function below(end) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % end;
}
const one = (list) => list[below(list.length)];
const often = (share) => below(100) < share;

const IDS = ["A", "b", "C_1", "d-2", "e.f", "G7", "start", "_x", "node-of-x", "42", "endless", "styled", "v", "ox", "xo"];
const WORDS = ["Check", "last seen", "5 min", "R&D", "95 %", "a/b", "lag > 3", "x < 2", "don't", "#35;", "#quot;", "store-and-forward",
    "é", "ü ß", "16.1", "&amp;", "end", "graph", "style", "fa:x", "1. x", "- y", "it, or", "=", "*", "+1", "<br/>", "<br>", "ox", "class A"];
const QUOTED = ["f(x)", "[a]", "{b}", "a|b", "a@b.c", "#91;", "`", "--> ", "==", "A --- B", ";", "\\n"];
const BRACKETS = [["[", "]"], ["(", ")"], ["([", "])"], ["[[", "]]"], ["[(", ")]"], ["((", "))"], ["(((", ")))"], ["{", "}"], ["{{", "}}"],
    ["[/", "/]"], ["[\\", "\\]"], ["[/", "\\]"], ["[\\", "/]"], [">", "]"]];

// One word at least is more than a line break, since an empty label is none.
function words(list) {
    return [one(["see", "5 min", "state"]), ...Array.from({ length: below(3) }, () => one(list))].join(" ");
}
function label() {
    return often(50) ? `"${words([...WORDS, ...QUOTED])}"` : words(WORDS);
}
function node() {
    let text = one(IDS);
    if (often(60)) {
        const [open, close] = one(BRACKETS);
        text += open + label() + close;
    }
    return text + (often(8) ? ":::hot" : "");
}
function nodes() {
    return Array.from({ length: often(85) ? 1 : 2 }, node).join(" & ");
}
const INSIDE = ["done", "more than 5 min", "it does", "store-and-forward", "no", "<br/>"];
function link() {
    const blank = () => (often(70) ? " " : "");
    switch (below(8)) {
        case 0: return `${blank()}${one(["-->", "--->", "-.->", "-..->", "==>", "===>"])}${blank()}`;
        case 1: return ` -- ${words(INSIDE)} --> `;
        case 2: return ` -- "${words([...WORDS, ...QUOTED])}" --> `;
        case 3: return ` == ${words(["done", "5 min", "no"])} ==> `;
        case 4: return ` -. ${words(["done", "5 min", "no"])} .-> `;
        case 5: return `\n  --> `;
        default: return `${blank()}${one(["-->", "-.->", "==>"])}${blank()}|${label()}|${blank()}`;
    }
}
function statement() {
    switch (below(20)) {
        case 0: return `subgraph ${one(["g1", "Group of checks", "\"Quoted (x)\"", "g2 [Title of it]", "g3[\"Title\"]"])}\n${statement()}\nend`;
        case 1: return `%% ${words(WORDS)}`;
        case 2: return one(["style A fill:#fff", "classDef hot stroke:#f00", "linkStyle default stroke:red", "class A hot"]);
        case 3: return "click A \"https://example.org\"";
        case 4: return node();
        default: {
            let text = nodes();
            for (let more = 1 + below(3); more > 0; more--) text += link() + nodes();
            return text;
        }
    }
}
function chart() {
    const head = one(["flowchart TD", "graph LR", "flowchart", "flowchart TB;", "%%{init: {\"theme\": \"base\"}}%%\nflowchart BT", "---\ntitle: x\n---\ngraph RL"]);
    const body = Array.from({ length: 1 + below(6) }, () => (often(30) ? "  " : "") + statement());
    return `${head}\nA[First]\n${body.join("\n")}\n${often(20) ? "A --> b; b --> A;\n" : ""}`;
}
const NOISE = ["[", "]", "(", ")", "{", "}", "\"", "|", "--", "-->", ">", "-", ".", "=", "&", ";", "%", "%%", "\n", " ", "x", "o", "<", "@", "`", "~~~",
    "end", "A", ":::", "#", "direction TD", "subgraph", "/", "\\", "é", "1", "v", "style ", "class"];
function damaged(text) {
    for (let times = 1 + below(3); times > 0; times--) {
        const at = below(text.length + 1);
        text = often(50) ? text.slice(0, at) + text.slice(at + 1 + below(3)) : text.slice(0, at) + one(NOISE) + text.slice(at);
    }
    return text;
}

// The text that a browser shows: character codes decoded, tags read, line breaks kept, blanks as one.
function shown(text) {
    const decoded = (text ?? "").replaceAll("ﬂ°°", "&#").replaceAll("ﬂ°", "&").replaceAll("¶ß", ";");
    const lines = decoded.replaceAll("\\n", "\n").split(/<br\s*\/?>|[\n\r]/i).map((line) => {
        const box = document.createElement("div");
        box.innerHTML = line;
        return box.textContent.split(/\s+/).filter(Boolean).join(" ");
    });
    return lines.filter(Boolean).join("\n");
}
async function theirs(text) {
    let diagram;
    try {
        diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
    } catch (error) {
        return { error: String(error.message ?? error).slice(0, 300) };
    }
    const data = diagram.db;
    if (!data.getVertices) return { error: `this is a diagram of type ${diagram.type}` };
    const groups = new Set(data.getSubGraphs().map((group) => group.id));
    const vertices = [...data.getVertices().values()].filter((vertex) => !groups.has(vertex.id));
    const nodes = vertices.map((vertex) => [vertex.id, shown(vertex.text ?? vertex.id)]).sort();
    const arrows = data.getEdges().map((edge) => [edge.start, edge.end, shown(edge.text).replaceAll("\n", " ")]);
    return { nodes, arrows };
}
function ours(text) {
    const ended = spawnSync(binary, ["drift", "-", "catalog:certificate-expiry", "--json"], { input: text, encoding: "utf8" });
    if (ended.status === 2) return { error: ended.stderr.trim() };
    if (ended.status !== 0 && ended.status !== 1) return { error: `it ended with ${ended.status}: ${ended.stderr}`, broken: true };
    const read = JSON.parse(ended.stdout);
    return {
        nodes: read.nodes.map((node) => [node.node, node.lines.join("\n")]).sort(),
        arrows: read.arrows.map((arrow) => [arrow.from, arrow.to, arrow.label]),
    };
}

// Mermaid logs what it refuses.
console.error = console.warn = console.debug = () => {};
let [read, both, refused, failures] = [0, 0, 0, 0];
for (let number = 0; number < count; number++) {
    const is_damaged = number % 2 === 1;
    const text = is_damaged ? damaged(chart()) : chart();
    const [mine, their] = [ours(text), await theirs(text)];
    const same = JSON.stringify(mine) === JSON.stringify(their);
    let wrong = null;
    if (mine.broken) wrong = "the command broke";
    else if (mine.error && !is_damaged) wrong = "a chart of the subset was refused";
    else if (!mine.error && their.error) wrong = "Mermaid refuses what was read";
    else if (!mine.error && !same) wrong = "both read something else";
    if (!mine.error) { read += 1; both += same ? 1 : 0; } else refused += 1;
    if (wrong) {
        failures += 1;
        if (failures <= 5) {
            process.stdout.write(`==== ${wrong}\n${text}\n-- ours: ${JSON.stringify(mine)}\n-- Mermaid: ${JSON.stringify(their)}\n`);
        }
    }
}
console.log(`${count} charts: ${read} read, ${both} of them as Mermaid reads them, ${refused} damaged ones refused, ${failures} wrong`);
process.exit(failures === 0 && both > count / 3 ? 0 : 1);
