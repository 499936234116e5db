//! What is wrong with a text that is not TOML: the parser's errors, with what to do.

use toml::de::DeTable;

use super::finding::Finding;

/// The errors of the parser. After a bracket or a comma that is missing it misreads all that follows, so then the first
/// error alone is one that somebody made.
pub(super) fn errors(text: &str) -> Vec<Finding> {
    const MISREAD: [&str; 5] = ["unclosed", "missing", "unexpected", "extra", "invalid inline"];
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<(usize, &str)> = errors
        .iter()
        .map(|error| (error.span().map_or(text.len(), |span| span.start), error.message()))
        .collect();
    if errors.iter().any(|(_, message)| MISREAD.iter().any(|start| message.starts_with(start))) {
        errors.sort_by_key(|(at, _)| *at);
        errors.truncate(1);
    }
    errors.into_iter().map(|(at, message)| finding(at, message)).collect()
}

fn finding(at: usize, message: &str) -> Finding {
    let mut finding = Finding::of_syntax(message, at);
    let known = KNOWN.iter().find(|(start, ..)| message.starts_with(start));
    if let Some((_, what, remedy)) = known {
        (*what).clone_into(&mut finding.what);
        (*remedy).clone_into(&mut finding.remedy);
    }
    finding
}

/// How a message of the parser begins, what it means, and what to do.
const KNOWN: [(&str, &str, &str); 10] = [
    (
        "string values must be quoted",
        "this is no value",
        "put a text or a duration in quotes; numbers, true and false have none",
    ),
    ("invalid basic string", "a text does not end on its line", "close it with a quote"),
    ("invalid boolean", "this is neither true nor false", "write true or false"),
    ("duplicate key", "the key is there already", "keep one"),
    ("key with no value", "a key without a value", "write `key = value`"),
    ("unclosed table", "a header does not end", "close it with `]`"),
    ("unclosed array", "a list does not end", "close it with `]`"),
    ("unclosed inline table", "a table does not end", "close it with `}`"),
    ("missing key for inline table", "a table does not end here", "look for a missing `}` just before"),
    ("missing comma", "something is missing here", "look for a missing comma, `]` or `}` just before"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<String> {
        errors(text).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn independent_errors_come_at_once() {
        let text = "a = yes\nb = 1\nc = 2m\nb = 3\n";
        assert_eq!(whats(text), ["this is no value", "this is no value", "the key is there already"]);
    }

    #[test]
    fn bracket_that_is_missing_is_one_error() {
        let text = "a = [\n  { b = 1, c = 2\n  { b = 3 },\n]\n[d]\ne = 1\n[f]\ng = 2\n";
        assert_eq!(whats(text).len(), 1, "{:?}", whats(text));
        assert_eq!(whats("a = [1, 2\nb = 3\n[c]\nd = 4\n").len(), 1);
    }
}
