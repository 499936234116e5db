/// The known name that is nearest to `name`, where one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no slips of the keyboard, and the distance costs their product.
    if name.len() > 64 {
        return None;
    }
    known
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (before, letter) in from.chars().enumerate() {
        let mut diagonal = before;
        let mut left = before + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_slips() {
        for (from, to, slips) in [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3)] {
            assert_eq!(distance(from, to), slips);
            assert_eq!(distance(to, from), slips);
        }
    }

    #[test]
    fn near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["last-seen", "presence", "power"];
        assert_eq!(nearest("lastseen", known.into_iter()), Some("last-seen"));
        assert_eq!(nearest("weather", known.into_iter()), None);
    }
}
