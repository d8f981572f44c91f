//! Several runs as one experiment: their dependencies and seeds.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};

use crate::children::Job;

/// An experiment's TOML file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Each run is trained once per seed.
    pub seeds: Vec<u64>,
    /// The runs; a teacher comes before its students.
    #[serde(rename = "run")]
    pub runs: Vec<PlannedRun>,
}

/// One run of a plan, for every seed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// Directories are named `<name>-<seed>`.
    pub name: String,
    /// Its title in the table.
    pub title: String,
    /// The run's configuration.
    pub config: PathBuf,
    /// Settings that override it.
    #[serde(default)]
    pub set: Vec<String>,
    /// Name of its teacher's run.
    #[serde(default)]
    pub teacher: Option<String>,
    /// The published number of test errors.
    #[serde(default)]
    pub paper: Option<f64>,
    /// Class whose bias is corrected afterwards (see [`crate::bias`]).
    #[serde(default)]
    pub unbias: Option<usize>,
    /// The published number of test errors after the correction.
    #[serde(default)]
    pub paper_unbiased: Option<f64>,
}

impl Plan {
    /// # Errors
    /// A file that can't be read, names that repeat, a teacher that doesn't come before its student.
    pub fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let plan: Self = toml::from_str(text)?;
        ensure!(
            !plan.seeds.is_empty() && !plan.runs.is_empty(),
            "a plan needs seeds and at least one [[run]]"
        );
        for (i, run) in plan.runs.iter().enumerate() {
            let before = || plan.runs[..i].iter().map(|run| &run.name);
            ensure!(
                before().all(|name| *name != run.name),
                "two runs are called `{}`",
                run.name
            );
            if let Some(teacher) = &run.teacher {
                ensure!(
                    before().any(|name| name == teacher),
                    "`{}`: there is no run `{teacher}` before it",
                    run.name
                );
            }
        }
        Ok(plan)
    }

    /// The jobs, with folders in `out` and with `set` overriding all settings.
    pub fn jobs(&self, out: &Path, set: &[String]) -> Vec<Job> {
        let mut jobs = Vec::new();
        for run in &self.runs {
            for seed in &self.seeds {
                let folder = |name: &str| out.join(format!("{name}-{seed}"));
                let teacher = run.teacher.as_deref().map(folder);
                let mut settings = vec![format!("seed={seed}")];
                settings.extend(run.set.iter().cloned());
                settings.extend(
                    teacher
                        .iter()
                        .map(|teacher| format!("distill.teacher={}", teacher.display())),
                );
                settings.extend(set.iter().cloned());
                jobs.push(Job {
                    folder: folder(&run.name),
                    config: run.config.clone(),
                    settings,
                    student: teacher.is_some(),
                    after: teacher,
                });
            }
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        seeds = [1, 2]
        run = [
            { name = "big", title = "teacher", config = "t.toml" },
            { name = "small", title = "student", config = "s.toml", teacher = "big", set = ["distill.alpha=1"] },
        ]
    "#;

    #[test]
    fn every_seed_has_its_own_teacher() {
        let jobs = Plan::parse(TWO)
            .unwrap()
            .jobs(Path::new("out"), &["train.epochs=1".to_owned()]);
        assert_eq!(jobs.len(), 4);
        assert_eq!(
            (&jobs[1].folder, &jobs[1].after),
            (&PathBuf::from("out/big-2"), &None)
        );
        assert_eq!(jobs[3].after, Some(PathBuf::from("out/big-2")));
        assert_eq!(
            jobs[3].settings,
            [
                "seed=2",
                "distill.alpha=1",
                "distill.teacher=out/big-2",
                "train.epochs=1"
            ]
        );
    }

    #[test]
    fn a_teacher_must_stand_before_its_student() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = Plan::parse(&TWO.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("teacher = \"big\"", "teacher = \"small\"", "no run `small`");
        check("name = \"small\"", "name = \"big\"", "two runs");
        check("[1, 2]", "[]", "seeds");
    }
}
