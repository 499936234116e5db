use super::*;

#[test]
fn lasts_until_it_is_made_good() {
    let growing = |offsets: [u64; 4]| {
        let heads = [100, 110, 120, 130];
        let looks: Vec<_> = offsets.into_iter().zip(heads).collect();
        judged(&each_ten(&looks))
    };
    assert_eq!(growing([10, 5, 6, 9]), Rule::Rewound { from: 10, to: 9 });
    assert_eq!(growing([10, 5, 6, 10]).verdict(), Verdict::Warn);
    // Burrow passes over the second step back.
    assert_eq!(growing([10, 5, 10, 3]), Rule::Rewound { from: 10, to: 3 });
    assert_eq!(growing([10, 9, 8, 8]), Rule::Rewound { from: 10, to: 8 });
    // Even where all was read before.
    assert_eq!(judged(&each_ten(&[(10, 10), (0, 10)])), Rule::Rewound { from: 10, to: 0 });
}

#[test]
fn does_not_fade_with_the_samples() {
    let mut window = Window::new(3).unwrap();
    window.observe(sample(0, 900, 1_000));
    for turn in 1..90_i64 {
        let committed = 10 * turn.unsigned_abs();
        window.observe(sample(10 * turn, committed, 1_000 + committed));
        let rule = judged_by(settings(), 10 * turn, None, &window).rule;
        assert_eq!(rule, Rule::Rewound { from: 900, to: committed });
    }
    window.observe(sample(900, 900, 1_900));
    assert_ne!(judged_by(settings(), 900, None, &window).verdict(), Verdict::Rewind);
}
