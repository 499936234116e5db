//! Where the charts of a document are: in the fences of a Markdown file, or the whole text.

use std::ops::Range;

use super::Fault;

/// The places of the charts in a text, in bytes. A text without a fence is one chart, unless it is Markdown by its name.
pub(crate) fn charts(text: &str, is_markdown: Option<bool>) -> Result<Vec<Range<usize>>, Vec<Fault>> {
    let whole = 0..text.len();
    if is_markdown == Some(false) {
        return Ok(vec![whole]);
    }
    let mut charts = Vec::new();
    let mut faults = Vec::new();
    // The fence that is open: its sign, its length, where its text begins, and whether it holds a chart.
    let mut open: Option<(char, usize, usize, bool)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (begin, end) = (at, at + line.len());
        at = end;
        let quoted = line.trim_start().starts_with('>');
        let bare = line.trim().trim_start_matches(['>', ' ']);
        let sign = bare.chars().next().filter(|sign| matches!(sign, '`' | '~'));
        let length = sign.map_or(0, |sign| bare.chars().take_while(|c| *c == sign).count());
        let info = bare.get(length..).unwrap_or_default().trim();
        match open {
            None if length >= 3 => {
                let is_chart = is_mermaid(info);
                if quoted && is_chart {
                    faults.push(Fault::new(
                        begin..end,
                        "a chart in a quotation is not read",
                        "move the fence out of it",
                    ));
                } else if !quoted {
                    open = sign.map(|sign| (sign, length, end, is_chart));
                }
            }
            Some((opened, count, from, is_chart))
                if sign == Some(opened) && length >= count && info.is_empty() =>
            {
                if is_chart {
                    charts.push(from..begin);
                }
                open = None;
            }
            _ => {}
        }
    }
    if let Some((_, _, from, true)) = open {
        faults.push(Fault::new(
            from.min(text.len())..text.len(),
            "the fence of this chart is not closed",
            "end it with a line of its own",
        ));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if charts.is_empty() && is_markdown.is_none() {
        return Ok(vec![whole]);
    }
    Ok(charts)
}

/// Whether the words behind a fence say that it holds a chart: `mermaid`, `{mermaid}`, `mermaid title="x"`.
fn is_mermaid(info: &str) -> bool {
    let word = info.split([' ', ',', '\t']).next().unwrap_or_default();
    word.trim_matches(['{', '}', '.']).eq_ignore_ascii_case("mermaid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, is_markdown: Option<bool>) -> Vec<&str> {
        charts(text, is_markdown).unwrap().into_iter().map(|at| &text[at]).collect()
    }

    #[test]
    fn charts_are_in_the_fences() {
        let text =
            "# Title\n```sh\n```mermaid\n```\n  ~~~~ mermaid x=1\n~~~\nA\n  ~~~~\n\n```mermaid\nB\n```\n";
        assert_eq!(texts(text, Some(true)), ["~~~\nA\n", "B\n"]);
        assert_eq!(texts(text, None), ["~~~\nA\n", "B\n"]);
        assert_eq!(texts("flowchart TD\n", None), ["flowchart TD\n"]);
        assert_eq!(texts("no chart\n", Some(true)), Vec::<&str>::new());
    }

    #[test]
    fn fences_that_cannot_be_read_are_faults() {
        for text in ["a\n```mermaid\nflowchart TD\n", "> ```mermaid\n> flowchart TD\n> ```\n"] {
            assert_eq!(charts(text, Some(true)).unwrap_err().len(), 1, "{text}");
        }
    }
}
