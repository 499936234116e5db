use super::*;

fn of(windows: &[Window]) -> super::super::GroupReport<usize> {
    Judge::new(settings()).unwrap().group(at(100), None, windows.iter().enumerate())
}

#[test]
fn is_as_its_worst_partition_and_says_which() {
    let (fine, stalled) = (each_ten(&[(10, 10)]), each_ten(&STALLED));
    let worse = each_ten(&[(5, 10), (5, 20), (5, 30), (5, 41)]);
    let group = of(&[fine.clone(), stalled.clone(), worse, stalled, fine]);
    assert_eq!(group.verdict(), Verdict::Stall);
    assert_eq!(group.worst.map(|(name, _)| name), Some(2));
    assert_eq!(group.most_lag, Some((2, 36)));
    assert_eq!((group.total_lag, group.partitions, group.known, group.complete), (106, 5, 5, 3));
    let alike = of(&[each_ten(&[(10, 10)]), each_ten(&STALLED), each_ten(&STALLED)]);
    assert_eq!(alike.worst.map(|(name, _)| name), Some(1));
}

#[test]
fn silent_partition_is_unknown_at_best() {
    let fine = each_ten(&[(10, 10)]);
    let group = of(&[fine.clone(), Window::default()]);
    assert_eq!((group.verdict(), group.rule(), group.known), (Verdict::Unknown, Rule::NoSample, 1));
    let bad = of(&[fine.clone(), Window::default(), each_ten(&STALLED)]);
    assert_eq!(bad.verdict(), Verdict::Stall);
    assert_eq!(of(&[fine]).verdict(), Verdict::Ok);
}

#[test]
fn without_a_partition_is_not_ok() {
    let none = of(&[]);
    assert_eq!((none.verdict(), none.rule()), (Verdict::Unknown, Rule::NoPartition));
    assert_eq!(none.to_string(), "unknown: there is no partition");
    let empty = window([Sample::new(at(0), 0, 0)]);
    assert_eq!(of(std::slice::from_ref(&empty)).verdict(), Verdict::Empty);
    assert_eq!(of(&[empty, each_ten(&[(1, 1)])]).verdict(), Verdict::Ok);
}
