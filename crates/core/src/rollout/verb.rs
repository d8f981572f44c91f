//! How each order is written: one type per verb, which is its HTTP body, with its other forms beside it. The routes and
//! bodies of the admin plane, the actions of the audit log and the command lines that undo an order are all made from
//! this.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use super::{plan::Plan, share::Share};
use stillhouse_store::VersionName;

/// One verb of the admin plane.
pub trait Verb: Serialize + DeserializeOwned {
    /// Its name in the audit log and in metric labels.
    const ACTION: &'static str;
    /// Method of the HTTP request.
    const METHOD: &'static str;
    /// The last part of the request's path, after `/admin/models/{model}/`.
    const SEGMENT: &'static str;

    /// The same order as a command line, without the program's name.
    fn command(&self) -> String;

    /// Checks what the types of the fields can't express.
    ///
    /// # Errors
    /// The error names what is missing.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// All its forms, without the verb's type.
    fn spelling(&self) -> Spelling {
        Spelling {
            action: Self::ACTION,
            method: Self::METHOD,
            segment: Self::SEGMENT,
            body: serde_json::to_value(self).expect("plain values"),
            command: self.command(),
        }
    }
}

/// The forms of one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Spelling {
    /// See [`Verb::ACTION`].
    pub action: &'static str,
    /// See [`Verb::METHOD`].
    pub method: &'static str,
    /// See [`Verb::SEGMENT`].
    pub segment: &'static str,
    /// Body of the HTTP request, without a reason.
    pub body: Value,
    /// See [`Verb::command`].
    pub command: String,
}

/// Starts a canary: `POST .../canary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCanary {
    /// The version to be the canary; loaded if it isn't.
    #[schema(value_type = String)]
    pub version: VersionName,
    /// Its share: whole basis points, or text with a unit, as in "2.5%" and "0.025"; 0 makes it a dark canary, judged by shadows alone. May be left
    /// out with an automatic plan, which starts dark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>)]
    pub share: Option<Share>,
    /// `manual`: operators control it; `automatic`: the judge does, along the ramp, to promotion or abort.
    #[serde(default, skip_serializing_if = "Plan::is_manual")]
    pub plan: Plan,
}

impl Verb for StartCanary {
    const ACTION: &'static str = "start_canary";
    const METHOD: &'static str = "POST";
    const SEGMENT: &'static str = "canary";

    fn command(&self) -> String {
        let share = flag("share", self.share);
        let plan = match self.plan {
            Plan::Manual => String::new(),
            plan @ Plan::Automatic => format!(" --{plan}"),
        };
        format!("canary start {}{share}{plan}", self.version)
    }

    fn check(&self) -> Result<(), &'static str> {
        match (self.share, self.plan) {
            (None, Plan::Manual) => Err(
                "missing field `share`: 0 makes a dark canary, or set \"plan\": \"automatic\", which begins with one",
            ),
            _ => Ok(()),
        }
    }
}

/// Sets who controls the canary from now on: `PUT .../plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPlan {
    /// Who controls the canary from now on.
    pub plan: Plan,
}

impl Verb for SetPlan {
    const ACTION: &'static str = "set_plan";
    const METHOD: &'static str = "PUT";
    const SEGMENT: &'static str = "plan";

    fn command(&self) -> String {
        format!("canary plan {}", self.plan)
    }
}

/// Changes the shares of canary and teacher; a share that is left out stays: `PUT .../split`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSplit {
    /// The canary's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>)]
    pub canary: Option<Share>,
    /// The teacher's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>)]
    pub teacher: Option<Share>,
}

impl Verb for SetSplit {
    const ACTION: &'static str = "set_split";
    const METHOD: &'static str = "PUT";
    const SEGMENT: &'static str = "split";

    fn command(&self) -> String {
        let (canary, teacher) = (flag("canary", self.canary), flag("teacher", self.teacher));
        format!("split{canary}{teacher}")
    }
}

/// The canary becomes stable; the old stable version stays loaded as `previous`: `POST .../promote`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {}

impl Verb for Promote {
    const ACTION: &'static str = "promote";
    const METHOD: &'static str = "POST";
    const SEGMENT: &'static str = "promote";

    fn command(&self) -> String {
        "promote".into()
    }
}

/// Removes the canary: `POST .../abort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Abort {}

impl Verb for Abort {
    const ACTION: &'static str = "abort";
    const METHOD: &'static str = "POST";
    const SEGMENT: &'static str = "abort";

    fn command(&self) -> String {
        "canary abort".into()
    }
}

/// The previous version, or the given one, becomes stable; the old stable version becomes `previous`: `POST
/// .../rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Another version than the previous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub to: Option<VersionName>,
}

impl Verb for Rollback {
    const ACTION: &'static str = "rollback";
    const METHOD: &'static str = "POST";
    const SEGMENT: &'static str = "rollback";

    fn command(&self) -> String {
        match &self.to {
            None => "rollback".into(),
            Some(to) => format!("rollback --to {to}"),
        }
    }
}

/// Gives a version the teacher's role, or empties it: `PUT .../teacher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetTeacher {
    /// The version; null empties the role.
    #[schema(value_type = Option<String>)]
    pub version: Option<VersionName>,
}

impl Verb for SetTeacher {
    const ACTION: &'static str = "set_teacher";
    const METHOD: &'static str = "PUT";
    const SEGMENT: &'static str = "teacher";

    fn command(&self) -> String {
        match &self.version {
            None => "teacher --none".into(),
            Some(version) => format!("teacher {version}"),
        }
    }
}

fn flag(name: &str, share: Option<Share>) -> String {
    share.map_or_else(String::new, |share| format!(" --{name} {share}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> VersionName {
        text.parse().expect("a name")
    }

    /// The wire format, which clients and audit logs of earlier releases use.
    #[test]
    fn orders_are_spelt_as_they_always_were() {
        let share = Share::new(250);
        let start = |plan| StartCanary {
            version: name("v2"),
            share,
            plan,
        };
        let (to, version) = (Some(name("v1")), Some(name("t1")));
        for (spelling, expected) in [
            (
                start(Plan::Manual).spelling(),
                r#"start_canary POST canary {"share":250,"version":"v2"} canary start v2 --share 2.5%"#,
            ),
            (
                start(Plan::Automatic).spelling(),
                r#"start_canary POST canary {"plan":"automatic","share":250,"version":"v2"} canary start v2 --share 2.5% --automatic"#,
            ),
            (
                SetPlan { plan: Plan::Manual }.spelling(),
                r#"set_plan PUT plan {"plan":"manual"} canary plan manual"#,
            ),
            (
                SetSplit {
                    canary: share,
                    teacher: None,
                }
                .spelling(),
                r#"set_split PUT split {"canary":250} split --canary 2.5%"#,
            ),
            (
                SetSplit {
                    canary: share,
                    teacher: share,
                }
                .spelling(),
                r#"set_split PUT split {"canary":250,"teacher":250} split --canary 2.5% --teacher 2.5%"#,
            ),
            (Promote {}.spelling(), "promote POST promote {} promote"),
            (Abort {}.spelling(), "abort POST abort {} canary abort"),
            (
                Rollback::default().spelling(),
                "rollback POST rollback {} rollback",
            ),
            (
                Rollback { to }.spelling(),
                r#"rollback POST rollback {"to":"v1"} rollback --to v1"#,
            ),
            (
                SetTeacher { version }.spelling(),
                r#"set_teacher PUT teacher {"version":"t1"} teacher t1"#,
            ),
            (
                SetTeacher { version: None }.spelling(),
                r#"set_teacher PUT teacher {"version":null} teacher --none"#,
            ),
        ] {
            let Spelling {
                action,
                method,
                segment,
                body,
                command,
            } = spelling;
            assert_eq!(
                format!("{action} {method} {segment} {body} {command}"),
                expected
            );
        }
    }

    #[test]
    fn what_an_order_must_say_is_checked() {
        let read = |body: Value| serde_json::from_value::<StartCanary>(body).expect("an order");
        let missing = read(json!({"version": "v2"})).check();
        assert!(missing.is_err_and(|error| error.contains("`share`")));
        for good in [
            json!({"version": "v2", "share": 0}),
            json!({"version": "v2", "plan": "automatic"}),
        ] {
            assert_eq!(read(good).check(), Ok(()));
        }
        assert!(serde_json::from_value::<Promote>(json!({"to": "v1"})).is_err());
    }
}
