//! Which known name somebody meant.

/// The known name that is nearest to `name`, where one is near enough to be meant. Two letters that changed places count
/// as one slip.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer text is not a typo, and the distance costs the product of the lengths.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let slips = |known: &str| {
        let allowed = known.len().max(name.len()).div_ceil(4);
        let apart = known.len().abs_diff(name.len());
        if known == name || known.len() > LONGEST || apart > allowed {
            return None;
        }
        Some(strsim::osa_distance(name, known)).filter(|slips| *slips <= allowed)
    };
    let near = known.into_iter().filter_map(|known| slips(known).map(|slips| (slips, known)));
    near.min().map(|(_, known)| known)
}

/// ` (did you mean NAME?)`, or nothing.
pub(crate) fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_meant_and_other_words_are_not() {
        let known = ["last-seen", "presence", "power", "is", "from", "below"];
        for (name, meant) in [
            ("lastseen", Some("last-seen")),
            ("powre", Some("power")),
            ("form", Some("from")),
            ("bellow", Some("below")),
            ("weather", None),
            ("power", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
