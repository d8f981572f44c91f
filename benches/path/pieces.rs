//! The pure steps of a prediction, each as one call that always gets the same input.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use stillhouse::{
    batch::policy::{Policy, Step},
    http::answer::{Classified, Origin, Single, Timings, respond, top},
    image::{self, Input, Limits, Normalization, Transform},
    rollout::Role,
    store::manifest::OutputKind,
    version,
};
use stillhouse_engine::Sample;

use super::{network, slot};

/// A call that can be repeated: it changes nothing.
pub(crate) type Call = Box<dyn FnMut()>;

/// A name, and the function that prepares the call.
pub(crate) type Piece = (&'static str, fn() -> Call);

/// Every piece.
pub(crate) const PIECES: [Piece; 6] = [
    ("probe and decode", decode),
    ("transform to floats", transform),
    ("softmax and top 5", softmax),
    ("answer", answer),
    ("route, 3 keys", route),
    ("policy, 16 rows", policy),
];

/// 28 × 28 gray, 397 bytes.
const PICTURE: &[u8] = include_bytes!("../../samples/fashion/ankle-boot-1.png");

const SCORES: [f32; 10] = [-3.5, 0.25, 1.5, -0.75, 4.0, -8.0, 2.25, 0.0, 9.5, -1.25];

fn target() -> Transform {
    network::transform()
}

fn decode() -> Call {
    let (limits, transform) = (Limits::default(), target());
    Box::new(move || {
        let bytes = black_box(PICTURE);
        image::probe(bytes).expect("a header");
        black_box(image::decode(bytes, &limits, &transform).expect("a picture"));
    })
}

fn transform() -> Call {
    let transform = target();
    let picture = image::decode(PICTURE, &Limits::default(), &transform).expect("a picture");
    let normalization = Arc::new(Normalization::new(&transform).expect("a transform"));
    let mut row = vec![0.0; transform.row_len()];
    // The copy of the picture is counted: an allocation and 784 bytes.
    Box::new(move || {
        let input = Input::Pixels {
            pixels: transform.apply(black_box(&picture).clone()),
            normalization: normalization.clone(),
        };
        input.write(&mut row);
        black_box(&row);
    })
}

fn softmax() -> Call {
    let labels = network::labels();
    Box::new(move || {
        let scores = black_box(&SCORES);
        let probabilities = version::probabilities(scores, OutputKind::Logits).expect("finite");
        black_box(top(&probabilities, &labels, 5));
    })
}

fn answer() -> Call {
    let labels = network::labels();
    let probabilities = version::probabilities(&SCORES, OutputKind::Logits).expect("finite");
    let timings = Timings {
        decode_seconds: 0.000_012_345,
        queue_seconds: 0.000_123_456,
        inference_seconds: 0.000_234_567,
        batch_size: 16,
    };
    Box::new(move || {
        let single = Single {
            origin: Origin {
                request_id: "0193e5a0-7c41-7000-8000-000000000001",
                model: "fashion",
                version: "s1",
                role: Role::Stable,
                generation: 7,
                instead_of: None,
            },
            classified: Classified::new(&probabilities, &labels, None, 5),
            timings,
        };
        // The default status is 200.
        black_box(respond(
            black_box(&single),
            Default::default(),
            Some(&timings),
        ));
    })
}

fn route() -> Call {
    let slot = slot::slot().expect("a deployment");
    // For each role, the first caller that it answers.
    let keys = Role::ALL.map(|role| {
        let mut callers = (0..).map(|caller| format!("caller {caller}"));
        let deployment = slot.load_full();
        callers.find(|key| deployment.route(key.as_bytes()).role == role)
    });
    let keys = keys.map(|key| key.expect("callers don't end"));
    Box::new(move || {
        for key in &keys {
            let deployment = slot.load_full();
            black_box(deployment.route(black_box(key.as_bytes())).role);
        }
    })
}

fn policy() -> Call {
    let policy = Policy {
        max_batch: 16,
        max_wait: Duration::ZERO,
    };
    let now = Instant::now();
    Box::new(move || {
        let mut rows = 1;
        while policy.step(black_box(rows), now, false, now) != Step::Run {
            rows += 1;
        }
        black_box(rows);
    })
}
