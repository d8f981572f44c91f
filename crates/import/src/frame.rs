//! The transform that fits a graph's input: size, colours and layout from its shape, the rest by default.

use stillhouse_engine::{Dim, Port};

use super::{Choice, ImportError, Origin, Overrides};
use stillhouse_image::{Color, Layout, Resize, Transform};

/// A possible interpretation of the graph's input shape.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    layout: Layout,
    channels: usize,
    width: usize,
    height: usize,
}

/// Decides the transform and returns the decisions.
pub(super) fn transform(
    input: &Port,
    overrides: &Overrides,
) -> Result<(Transform, Vec<Choice>), ImportError> {
    let row: Vec<usize> = input
        .dims
        .iter()
        .skip(1)
        .map(|dim| match dim {
            Dim::Fixed(n) => *n,
            Dim::Symbol(_) => 0,
        })
        .collect();
    let frame = candidates(&row, overrides)
        .into_iter()
        .find(|frame| allowed(frame, overrides))
        .ok_or_else(|| refusal(input, overrides))?;

    // A flat row has neither the position of the channels nor the width.
    let shape = if row.len() == 1 {
        Origin::Default
    } else {
        Origin::Graph
    };
    let color = overrides.color.unwrap_or(if frame.channels == 1 {
        Color::Gray
    } else {
        Color::Rgb
    });
    let plain = Transform::plain(color, frame.width as u32, frame.height as u32);
    let transform = Transform {
        layout: frame.layout,
        resize: overrides.resize.unwrap_or(plain.resize),
        resize_to: overrides.resize_to,
        pad: overrides.pad.unwrap_or(plain.pad),
        filter: overrides.filter.unwrap_or(plain.filter),
        scale: overrides.scale.unwrap_or(plain.scale),
        mean: overrides.mean.clone().unwrap_or(plain.mean),
        std: overrides.std.clone().unwrap_or(plain.std),
        ..plain
    };
    transform
        .validate()
        .map_err(|error| ImportError::Frame(error.to_string()))?;
    let choices = choices(&transform, overrides, shape);
    Ok((transform, choices))
}

/// All interpretations of a row of this shape, the likeliest first.
fn candidates(row: &[usize], overrides: &Overrides) -> Vec<Frame> {
    let nchw = |channels, height, width| Frame {
        layout: Layout::Nchw,
        channels,
        width,
        height,
    };
    let nhwc = |height, width, channels| Frame {
        layout: Layout::Nhwc,
        channels,
        width,
        height,
    };
    match *row {
        [a, b, c] => vec![nchw(a, b, c), nhwc(a, b, c)],
        [height, width] => vec![nchw(1, height, width)],
        [pixels] => {
            let square = |channels: usize| {
                let side = (pixels / channels).isqrt();
                (side, side)
            };
            let given = overrides
                .size
                .map(|(width, height)| (width as usize, height as usize));
            let frames = [1, 3].map(|channels| {
                let (width, height) = given.unwrap_or_else(|| square(channels));
                nchw(channels, height, width)
            });
            let whole = frames
                .into_iter()
                .filter(|f| f.channels * f.width * f.height == pixels);
            whole
                .flat_map(|frame| {
                    [
                        frame,
                        Frame {
                            layout: Layout::Nhwc,
                            ..frame
                        },
                    ]
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn allowed(frame: &Frame, overrides: &Overrides) -> bool {
    let Frame {
        layout,
        channels,
        width,
        height,
    } = *frame;
    [1, 3].contains(&channels)
        && overrides
            .color
            .is_none_or(|color| color.channels() == channels)
        && overrides.layout.is_none_or(|given| given == layout)
        && overrides
            .size
            .is_none_or(|(w, h)| (w as usize, h as usize) == (width, height))
}

fn refusal(input: &Port, overrides: &Overrides) -> ImportError {
    let given = [
        overrides
            .size
            .map(|(width, height)| format!("--size {width}x{height}")),
        overrides
            .color
            .map(|color| format!("--color {}", word(color))),
        overrides
            .layout
            .map(|layout| format!("--layout {}", word(layout))),
    ];
    let given: Vec<String> = given.into_iter().flatten().collect();
    let with = if given.is_empty() {
        String::new()
    } else {
        format!(" with {}", given.join(" "))
    };
    ImportError::Frame(format!(
        "no picture{with} has the shape of input `{}`, {}: [N,C,H,W] or [N,H,W,C] with 1 or 3 channels, [N,H,W], or \
         [N,pixels] with --size where it is no square, is right",
        input.name,
        input.shape()
    ))
}

fn choices(transform: &Transform, overrides: &Overrides, shape: Origin) -> Vec<Choice> {
    let Transform {
        color,
        width,
        height,
        layout,
        resize,
        filter,
        ..
    } = transform;
    let gray = if *color == Color::Gray {
        shape
    } else {
        Origin::Default
    };
    let mut choices = vec![
        Choice::new(
            "transform.color",
            word(color),
            Origin::given_or(&overrides.color, gray),
        ),
        Choice::new(
            "transform.size",
            format!("{width}x{height}"),
            Origin::given_or(&overrides.size, shape),
        ),
        Choice::new(
            "transform.layout",
            word(layout),
            Origin::given_or(&overrides.layout, shape),
        ),
        Choice::new(
            "transform.resize",
            word(resize),
            Origin::given_or(&overrides.resize, Origin::Default),
        ),
        Choice::new(
            "transform.filter",
            word(filter),
            Origin::given_or(&overrides.filter, Origin::Default),
        ),
    ];
    let number = |value: f32| {
        if value == 1.0 / 255.0 {
            "1/255".into()
        } else {
            value.to_string()
        }
    };
    let list = |values: &[f32]| {
        values
            .iter()
            .map(|v| number(*v))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if *resize == Resize::Crop {
        let value = transform
            .resize_to
            .map_or("size / 0.875".into(), |length| length.to_string());
        choices.push(Choice::new(
            "transform.resize_to",
            value,
            Origin::given_or(&overrides.resize_to, Origin::Default),
        ));
    }
    if *resize == Resize::FitPad {
        choices.push(Choice::new(
            "transform.pad",
            transform.pad.to_string(),
            Origin::given_or(&overrides.pad, Origin::Default),
        ));
    }
    choices.extend([
        Choice::new(
            "transform.scale",
            number(transform.scale),
            Origin::given_or(&overrides.scale, Origin::Default),
        ),
        Choice::new(
            "transform.mean",
            list(&transform.mean),
            Origin::given_or(&overrides.mean, Origin::Default),
        ),
        Choice::new(
            "transform.std",
            list(&transform.std),
            Origin::given_or(&overrides.std, Origin::Default),
        ),
    ]);
    choices
}

/// The name of an enum value in the manifest.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("only called on enums of words, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use stillhouse_engine::ElementType;

    use super::*;
    use stillhouse_image::Filter;

    fn port(dims: &[usize]) -> Port {
        let dims = dims.iter().map(|n| Dim::Fixed(*n));
        let dims = std::iter::once(Dim::Symbol("N".into()))
            .chain(dims)
            .collect();
        Port {
            name: "x".into(),
            dims,
            element: ElementType::F32,
        }
    }

    #[test]
    fn shapes_become_frames() {
        let none = Overrides::default;
        let gray = || Overrides {
            color: Some(Color::Gray),
            ..none()
        };
        let size = |width, height| Overrides {
            size: Some((width, height)),
            ..none()
        };
        let nhwc = || Overrides {
            layout: Some(Layout::Nhwc),
            ..none()
        };
        let check =
            |dims: &[usize], overrides: Overrides, expected: Option<(u32, u32, Color, Layout)>| {
                let found = transform(&port(dims), &overrides)
                    .ok()
                    .map(|(t, _)| (t.width, t.height, t.color, t.layout));
                assert_eq!(found, expected, "{dims:?} {overrides:?}");
            };
        use {Color::*, Layout::*};
        check(&[3, 224, 196], none(), Some((196, 224, Rgb, Nchw)));
        check(&[224, 196, 3], none(), Some((196, 224, Rgb, Nhwc)));
        check(&[1, 28, 28], none(), Some((28, 28, Gray, Nchw)));
        check(&[28, 28, 1], none(), Some((28, 28, Gray, Nhwc)));
        check(&[28, 30], none(), Some((30, 28, Gray, Nchw)));
        check(&[784], none(), Some((28, 28, Gray, Nchw)));
        check(&[3072], none(), Some((32, 32, Rgb, Nchw)));
        check(&[3072], nhwc(), Some((32, 32, Rgb, Nhwc)));
        check(&[3072], size(64, 48), Some((64, 48, Gray, Nchw)));
        check(&[3072], size(32, 32), Some((32, 32, Rgb, Nchw)));
        check(&[3, 5, 3], none(), Some((3, 5, Rgb, Nchw)));
        check(&[3, 5, 3], nhwc(), Some((5, 3, Rgb, Nhwc)));
        check(
            &[3, 32, 32],
            Overrides {
                color: Some(Bgr),
                ..none()
            },
            Some((32, 32, Bgr, Nchw)),
        );
        // What fits nothing is refused, not bent.
        check(&[4, 32, 32], none(), None);
        check(&[3, 32, 32], gray(), None);
        check(&[3, 32, 32], size(64, 64), None);
        check(&[3, 32, 32], nhwc(), None);
        check(&[785], none(), None);
        check(&[3072], gray(), None);
        check(&[3, 5000, 5000], none(), None);
        check(
            &[3, 32, 32],
            Overrides {
                mean: Some(vec![0.5, 0.5]),
                ..none()
            },
            None,
        );
        check(
            &[3, 32, 32],
            Overrides {
                std: Some(vec![0.0]),
                ..none()
            },
            None,
        );
    }

    #[test]
    fn refusals_say_what_was_asked_and_what_there_is() {
        let overrides = Overrides {
            size: Some((64, 64)),
            color: Some(Color::Bgr),
            ..Overrides::default()
        };
        let error = transform(&port(&[3, 32, 32]), &overrides)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(
                "no picture with --size 64x64 --color bgr has the shape of input `x`, [N,3,32,32]: "
            ),
            "{error}"
        );
    }

    #[test]
    fn every_decision_is_reported() {
        let decisions = |dims: &[usize], overrides: &Overrides| {
            let (_, choices) = transform(&port(dims), overrides).unwrap();
            choices.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            decisions(&[3, 224, 196], &Overrides::default()),
            [
                "transform.color = rgb (default)",
                "transform.size = 196x224 (graph)",
                "transform.layout = nchw (graph)",
                "transform.resize = stretch (default)",
                "transform.filter = bilinear (default)",
                "transform.scale = 1/255 (default)",
                "transform.mean = 0 (default)",
                "transform.std = 1 (default)",
            ]
        );
        let overrides = Overrides {
            resize: Some(Resize::Crop),
            filter: Some(Filter::Bicubic),
            mean: Some(vec![0.485, 0.456, 0.406]),
            scale: Some(1.0),
            ..Overrides::default()
        };
        assert_eq!(
            decisions(&[3072], &overrides),
            [
                "transform.color = rgb (default)",
                "transform.size = 32x32 (default)",
                "transform.layout = nchw (default)",
                "transform.resize = crop (given)",
                "transform.filter = bicubic (given)",
                "transform.resize_to = size / 0.875 (default)",
                "transform.scale = 1 (given)",
                "transform.mean = 0.485, 0.456, 0.406 (given)",
                "transform.std = 1 (default)",
            ]
        );
    }
}
