//! The choice of the output that holds the scores, and what is said about those that don't.

use super::{
    Hints, ending,
    ports::{MAX_ROW, port},
};
use crate::{
    Activation, Dim, Port, SingleScore,
    onnx::{GraphProto, ValueInfoProto},
};

/// How an output is read.
pub(super) struct Scores {
    pub(super) port: Port,
    /// As engines answer them: two of a single score.
    pub(super) classes: usize,
    pub(super) single: Option<SingleScore>,
    pub(super) activation: Option<Activation>,
    /// Whether its first dimension is the batch.
    pub(super) has_batch: bool,
}

/// The output that `hints` name, or the first suitable one.
pub(super) fn scores(graph: &GraphProto, input: &Port, hints: &Hints) -> Result<Scores, String> {
    let read = |value: &ValueInfoProto| read(graph, value, input, hints);
    let suitable = || graph.output.iter().filter(|value| read(value).is_ok());
    let all = || list(&graph.output);
    match (&hints.output, &graph.output[..]) {
        (_, []) => Err("it has no output; one of [N,classes] is right".to_owned()),
        (Some(name), outputs) => {
            let value = outputs.iter().find(|value| value.name == *name);
            let value = value.ok_or_else(|| format!("it has no output `{name}`, but {}", all()))?;
            read(value).map_err(|why| match suitable().next() {
                Some(other) => format!(
                    "{why}; {} would do: --output-name {}",
                    list(std::slice::from_ref(other)),
                    other.name
                ),
                None => why,
            })
        }
        (None, [only]) => read(only),
        (None, outputs) => {
            // Where the number of classes is known, an output with as many comes before an earlier one of another kind.
            let fits = |value: &&ValueInfoProto| {
                read(value).is_ok_and(|scores| Some(scores.classes) == hints.classes)
            };
            let chosen = outputs.iter().find(fits).or_else(|| suitable().next());
            chosen.map_or_else(
                || {
                    let reasons: Vec<String> = outputs
                        .iter()
                        .filter_map(|value| read(value).err())
                        .collect();
                    Err(format!(
                        "none of its outputs holds scores: {}",
                        reasons.join("; ")
                    ))
                },
                read,
            )
        }
    }
}

fn read(
    graph: &GraphProto,
    value: &ValueInfoProto,
    input: &Port,
    hints: &Hints,
) -> Result<Scores, String> {
    let name = &value.name;
    let maker = ending::maker(graph, name);
    if let Some(why) = ending::no_scores(maker) {
        return Err(format!("output `{name}` {why}"));
    }
    let mut port = port(value, false).map_err(|why| format!("output {why}"))?;
    let activation = ending::activation(maker);
    let has_batch = has_batch(&port, input)?;
    let row = &mut port.dims[usize::from(has_batch)..];
    let width = width(row, hints.classes);
    let width = width.ok_or_else(|| refusal(&port, input, hints))?;
    let (classes, single) = match width {
        1 if activation == Some(Activation::Softmax) => {
            return Err(format!(
                "output `{name}` is a softmax over one score, which is always 1: export the scores before it"
            ));
        }
        1 => {
            let shown = match activation {
                Some(_) => SingleScore::Probability,
                None => SingleScore::Logit,
            };
            (2, Some(hints.single_score.unwrap_or(shown)))
        }
        classes => (classes, None),
    };
    Ok(Scores {
        port,
        classes,
        single,
        activation,
        has_batch,
    })
}

/// Whether an output's first dimension is the batch. One of rank 1 has either the classes or, with one score a row, the
/// batch.
fn has_batch(output: &Port, input: &Port) -> Result<bool, String> {
    match (&output.dims[..], &input.dims[0]) {
        ([], _) => Err(format!(
            "output `{}` is a single number without a dimension; [N,classes] is right",
            output.name
        )),
        ([Dim::Fixed(n)], Dim::Fixed(batch)) if n == batch => match n {
            1 => Ok(true),
            _ => Err(format!(
                "output `{}` is [{n}] for a batch of {n}: that may be a score for each row or one row's classes; [N,1] or [N,classes] is right",
                output.name
            )),
        },
        ([Dim::Symbol(_)], _) => Ok(true),
        ([Dim::Fixed(_)], Dim::Fixed(batch)) if *batch > 1 => Err(format!(
            "output `{}` is {} for a batch of {batch}; [N,classes] is right",
            output.name,
            output.shape()
        )),
        ([Dim::Fixed(_)], _) => Ok(false),
        _ => Ok(true),
    }
}

/// Scores per row: the one dimension that isn't 1, wherever it stands. Symbols are filled in from the number of classes.
fn width(row: &mut [Dim], classes: Option<usize>) -> Option<usize> {
    let others =
        |row: &[Dim], wanted: fn(&Dim) -> bool| row.iter().filter(|dim| wanted(dim)).count();
    let symbols = others(row, |dim| matches!(dim, Dim::Symbol(_)));
    let numbers = others(row, |dim| matches!(dim, Dim::Fixed(n) if *n != 1));
    // Beside the classes' own number, or beside one symbol that stands for them, every other dimension has to be a 1:
    // the engine counts what really comes.
    let mut unknown = match (numbers, symbols, classes) {
        (_, 0, _) => None,
        (0, 1.., Some(classes)) => Some(classes),
        (1, _, Some(classes)) if row.contains(&Dim::Fixed(classes)) => Some(1),
        _ => return None,
    };
    for dim in row.iter_mut() {
        if let (Dim::Symbol(_), Some(size)) = (&*dim, unknown) {
            *dim = Dim::Fixed(size);
            unknown = Some(1);
        }
    }
    let mut wide = row.iter().filter(|dim| **dim != Dim::Fixed(1));
    match (wide.next(), wide.next()) {
        (None, _) => Some(1),
        (Some(Dim::Fixed(classes)), None) if (2..=MAX_ROW).contains(classes) => Some(*classes),
        _ => None,
    }
}

fn refusal(output: &Port, input: &Port, hints: &Hints) -> String {
    let symbols = output
        .dims
        .iter()
        .skip(1)
        .filter(|dim| matches!(dim, Dim::Symbol(_)));
    let helps = match (symbols.count(), hints.classes) {
        (1.., None) => "; the labels say how many classes there are where the graph doesn't",
        _ => "",
    };
    format!(
        "output `{}` is {} for input {}; [N,classes], [N,1] (one score of two classes) or [N,classes,1,1] is right{helps}",
        output.name,
        output.shape(),
        input.shape()
    )
}

fn list(values: &[ValueInfoProto]) -> String {
    let one = |value: &ValueInfoProto| match port(value, false) {
        Ok(port) => format!("`{}` {}", port.name, port.shape()),
        Err(_) => format!("`{}`", value.name),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}
