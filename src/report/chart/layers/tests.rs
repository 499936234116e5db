//! Whatever is drawn, no box covers another, and each arrow begins and ends at its boxes.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Layout, Link, Size, lay_out};

/// Boxes of some sizes, and links between them.
fn graphs() -> impl Strategy<Value = (Vec<Size>, Vec<Link>)> {
    (1_usize..24).prop_flat_map(|count| {
        let sizes = prop::collection::vec((40_u16..200, 20_u16..90), count);
        let links = prop::collection::btree_set((0..count, 0..count), 0..3 * count);
        (sizes, links, any::<u64>()).prop_map(|(sizes, links, lit)| {
            let size = |(width, height): (u16, u16)| Size { width: width.into(), height: height.into() };
            let label = Size { width: 40.0, height: 14.0 };
            let link =
                |(nth, (from, to)): (usize, _)| Link { from, to, label, is_lit: lit >> (nth % 64) & 1 == 1 };
            (sizes.into_iter().map(size).collect(), links.into_iter().enumerate().map(link).collect())
        })
    })
}

/// The corners of a box.
fn corners(layout: &Layout, sizes: &[Size], at: usize) -> (f64, f64, f64, f64) {
    let (centre, size) = (layout.boxes[at], sizes[at]);
    let (x, y) = (size.width / 2.0, size.height / 2.0);
    (centre.x - x, centre.y - y, centre.x + x, centre.y + y)
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(17), ..ProptestConfig::default() })]

    #[test]
    fn no_box_covers_another((sizes, links) in graphs(), start in 0_usize..30) {
        let layout = lay_out(&sizes, &links, start);
        prop_assert_eq!(layout.boxes.len(), sizes.len());
        for one in 0..sizes.len() {
            let (left, top, right, bottom) = corners(&layout, &sizes, one);
            let whole = &layout.size;
            prop_assert!(left > -1e-6 && top > -1e-6 && right < whole.width + 1e-6 && bottom < whole.height + 1e-6);
            for other in 0..one {
                let (l, t, r, b) = corners(&layout, &sizes, other);
                prop_assert!(right <= l || r <= left || bottom <= t || b <= top, "{one} covers {other}");
            }
        }
    }

    #[test]
    fn arrows_join_their_boxes((sizes, links) in graphs()) {
        let layout = lay_out(&sizes, &links, 0);
        prop_assert_eq!(layout.routes.len(), links.len());
        for (link, route) in links.iter().zip(&layout.routes) {
            for (at, point) in [(link.from, route.points[0]), (link.to, *route.points.last().unwrap())] {
                let (left, top, right, bottom) = corners(&layout, &sizes, at);
                let beside = point.x > left - 1e-6 && point.x < right + 1e-6;
                // An arrow up ends where the layer of its box ends, which may be below the box.
                prop_assert!(beside && point.y > top - 1e-6, "{link:?} {point:?}");
                prop_assert!(point.y < bottom + 1e-6, "{link:?} {point:?} {bottom}");
            }
            // Straight through a layer, between its boxes.
            for pair in route.points.windows(2).filter(|pair| (pair[0].x - pair[1].x).abs() < 1e-9) {
                let y = f64::midpoint(pair[0].y, pair[1].y);
                for at in (0..sizes.len()).filter(|at| *at != link.from && *at != link.to) {
                    let (left, top, right, bottom) = corners(&layout, &sizes, at);
                    let inside = pair[0].x > left && pair[0].x < right && y > top && y < bottom;
                    prop_assert!(!inside, "{link:?} passes through {at}");
                }
            }
        }
    }
}

#[test]
fn forward_arrows_lead_down() {
    let sizes = [Size { width: 50.0, height: 20.0 }; 4];
    let link = |(from, to)| Link { from, to, label: Size::default(), is_lit: false };
    let links: Vec<Link> = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 1)].into_iter().map(link).collect();
    let layout = lay_out(&sizes, &links, 0);
    let y = |at: usize| layout.boxes[at].y;
    assert!(y(0) < y(1) && y(1) < y(2) && y(2) < y(3), "{layout:?}");
    let back = &layout.routes[4].points;
    assert!(back[0].y > back.last().unwrap().y, "what leads back is drawn upwards");
}

/// A picture that nobody can read is drawn in the end, too.
#[test]
fn long_runbook_is_drawn_in_time() {
    let sizes = vec![Size { width: 50.0, height: 20.0 }; 3_000];
    let link = |from, to| Link { from, to, label: Size::default(), is_lit: false };
    let chain = (1..3_000).map(|at| link(at - 1, at));
    let ends = (0..2_000).map(|at| link(at, 2_999));
    let layout = lay_out(&sizes, &chain.chain(ends).collect::<Vec<_>>(), 0);
    assert_eq!(layout.boxes.len(), 3_000);
}
