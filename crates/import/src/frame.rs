//! The transform that fits a graph's input: size, colours and layout from its shape, the rest by default.

use stillhouse_engine::{Dim, ElementType, Port};

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
    let row: Vec<Option<usize>> = input
        .dims
        .iter()
        .skip(1)
        .map(|dim| match dim {
            Dim::Fixed(n) => Some(*n),
            Dim::Symbol(_) => None,
        })
        .collect();
    let frame = candidates(&row, overrides)
        .into_iter()
        .find(|frame| allowed(frame, overrides))
        .ok_or_else(|| refusal(input, overrides))?;

    // A flat row has neither the position of the channels nor the width.
    let shape = match row[..] {
        [_] => Origin::Default,
        _ if row.iter().filter(|size| size.is_none()).count() > 2 => Origin::Default,
        _ => Origin::Graph,
    };
    let color = overrides.color.unwrap_or(if frame.channels == 1 {
        Color::Gray
    } else {
        Color::Rgb
    });
    let plain = plain(input, overrides, color, frame)?;
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

/// Bytes brought to 0..=1, unless the network reads bytes: it normalises them itself.
fn plain(
    input: &Port,
    overrides: &Overrides,
    color: Color,
    frame: Frame,
) -> Result<Transform, ImportError> {
    let plain = Transform::plain(color, frame.width as u32, frame.height as u32);
    if input.element != ElementType::U8 {
        return Ok(plain);
    }
    let other = |given: &Option<Vec<f32>>, right: f32| {
        let mut numbers = given.iter().flatten();
        numbers.any(|number| *number != right)
    };
    let scaled = overrides.scale.is_some_and(|scale| scale != 1.0);
    match scaled || other(&overrides.mean, 0.0) || other(&overrides.std, 1.0) {
        true => Err(ImportError::Frame(format!(
            "input `{}` takes bytes (uint8), which the network normalises itself: leave --scale, --mean and --std out",
            input.name
        ))),
        false => Ok(Transform {
            scale: 1.0,
            ..plain
        }),
    }
}

/// All interpretations of a row of this shape, the likeliest first; `None` is a size that the graph leaves open.
fn candidates(row: &[Option<usize>], overrides: &Overrides) -> Vec<Frame> {
    let given = overrides
        .size
        .map(|(width, height)| (width as usize, height as usize));
    let (given_width, given_height) = given.unzip();
    // RGB where neither graph nor caller says it.
    let channels = |size: Option<usize>| size.unwrap_or(overrides.color.map_or(3, Color::channels));
    let frame = |layout, channels, height: Option<usize>, width: Option<usize>| {
        Some(Frame {
            layout,
            channels,
            width: width.or(given_width)?,
            height: height.or(given_height)?,
        })
    };
    match *row {
        [a, b, c] => {
            let nchw = frame(Layout::Nchw, channels(a), b, c);
            let nhwc = frame(Layout::Nhwc, channels(c), a, b);
            [nchw, nhwc].into_iter().flatten().collect()
        }
        [height, width] => Vec::from_iter(frame(Layout::Nchw, 1, height, width)),
        [pixels] => {
            let side = |channels: usize| pixels.map(|pixels| (pixels / channels).isqrt());
            let frames = [1, 3].into_iter().filter_map(|channels| {
                let side = side(channels);
                frame(
                    Layout::Nchw,
                    channels,
                    given_height.or(side),
                    given_width.or(side),
                )
            });
            let whole =
                frames.filter(|f| pixels.is_none_or(|n| f.channels * f.width * f.height == n));
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
         [N,pixels], is right, with --size WIDTHxHEIGHT where the graph leaves the size open or [N,pixels] is no square",
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
