//! A canary as good as stable by day may be worse by night: all requests take a day.

use super::*;

#[test]
fn all_requests_take_a_day() {
    let aged = |percent, hours| Progress {
        age: hours * HOUR,
        ..at(percent)
    };
    let young =
        "23 h old, all requests or a promotion take 24 h: they may differ by the hour of the day";
    for percent in [50, 100] {
        check(&good(), &aged(percent, 23), "hold", &[young]);
    }
    assert_eq!(decided(&good(), &aged(50, 24)).0, "to 100%");
    assert_eq!(decided(&good(), &aged(100, 24)).0, "promote");
    assert_eq!(
        decided(&good(), &aged(25, 1)).0,
        "to 50%",
        "half is no promotion"
    );
    // What is against it waits for nothing.
    let bad = Evidence {
        disagreement: compared(9.0, -5.0),
        ..good()
    };
    assert_eq!(decided(&bad, &aged(50, 0)).0, "roll back");
}

#[test]
fn a_minimum_beyond_the_maximum_is_refused() {
    let criteria = Criteria {
        maximum_age_seconds: 86_400,
        ..Criteria::default()
    };
    let refused = criteria.check().expect_err("no canary would be promoted");
    assert_eq!(refused.key, "minimum_age_seconds");
}
