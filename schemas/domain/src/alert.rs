//! Alerts: what everybody must hear at once, who has acknowledged it, and who may call it off. The words for urgency
//! and for what to do are those of CAP (Common Alerting Protocol 1.2, OASIS): `severity` and `responseType`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Item;
use crate::clock::Hlc;
use crate::field::{check_line, check_name, check_text};
use crate::geography::LatLon;
use crate::id::{AlertId, MissionId};
use crate::identity::{AuthorId, DeviceId, DeviceRole};
use crate::limits::ALERT_RADIUS_M_MAX;
use crate::refusal::Refusal;

/// Defines a closed list of words.
macro_rules! word_list {
    ($(#[$doc:meta])* $name:ident $kind:literal { $($(#[$vdoc:meta])* $variant:ident = $word:tt,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every one, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in commands and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    format!("`{word}` is no {} of an alert; it is one of: {}", $kind, words.join(", "))
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word_list! {
    /// How great the threat is to life or property.
    Severity "severity" {
        /// Extraordinary: a flash alert.
        Extreme = "extreme",
        /// Significant.
        Severe = "severe",
        /// Possible: a warning.
        Moderate = "moderate",
        /// Minimal: an advisory.
        Minor = "minor",
    }
}

word_list! {
    /// What those who hear an alert are to do.
    Response "response" {
        /// Leave, as the text says.
        Evacuate = "evacuate",
        /// Take shelter where you are, or as the text says.
        Shelter = "shelter",
        /// Stay away.
        Avoid = "avoid",
        /// Make ready, as the text says.
        Prepare = "prepare",
        /// Carry out the activity that was planned before.
        Execute = "execute",
        /// Keep watch and listen.
        Monitor = "monitor",
        /// The threat has passed.
        AllClear = "all_clear",
        /// Nothing.
        None = "none",
    }
}

/// A place and how far around it, such as a collapse zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertArea {
    /// The middle.
    pub centre: LatLon,
    /// How far around it, metres; 0 means the place itself.
    #[serde(default)]
    pub radius_m: u32,
}

/// An alert with how it stands. What was raised never changes; it can be acknowledged and called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// The mission it was raised in; absent if it is for the whole org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission: Option<MissionId>,
    /// How great the threat is.
    pub severity: Severity,
    /// What to do.
    pub response: Response,
    /// What it is about, in one line.
    pub title: String,
    /// More about it.
    pub text: String,
    /// Where it applies; everywhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<AlertArea>,
    /// When it ends by itself, Unix milliseconds; it stands until cancelled if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Name of who raised it as its device gave it.
    pub from: String,
    /// The author that signed it.
    pub author: AuthorId,
    /// When it was raised, hybrid time.
    pub raised: Hlc,
    /// Devices known to have acknowledged it.
    pub acknowledged: u64,
    /// By whom it was called off, when and why; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<AlertWord>,
}

/// What somebody said to an alert: that it was heard, or that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertWord {
    /// The alert.
    pub alert: AlertId,
    /// The mission it was said in; absent for the whole org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission: Option<MissionId>,
    /// The device that said it; filled in where its credential is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The author that signed it.
    pub author: AuthorId,
    /// Name of who said it as its device gave it.
    pub from: String,
    /// When, hybrid time.
    pub at: Hlc,
    /// A note, or the reason; may be empty.
    pub text: String,
}

/// An alert with what was said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    #[serde(flatten)]
    pub alert: Item<Alert>,
    /// Who acknowledged it, the first word of each device, oldest first.
    pub acknowledgements: Vec<AlertWord>,
    /// Attempts to call it off by devices without the right to; they changed nothing.
    pub refused: Vec<AlertWord>,
}

/// What is needed to raise an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<AlertId>,
    /// How great the threat is; `extreme` if absent.
    #[serde(default = "extreme")]
    pub severity: Severity,
    /// What to do; `none` if absent.
    #[serde(default = "nothing")]
    pub response: Response,
    /// What it is about, in one line.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub text: String,
    /// Where it applies; everywhere if absent.
    #[serde(default)]
    pub area: Option<AlertArea>,
    /// When it ends by itself, Unix milliseconds; it stands until cancelled if absent.
    #[serde(default)]
    pub expires_ms: Option<u64>,
}

/// What may be said with an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertAck {
    /// A note, such as what is being done; may be empty.
    #[serde(default)]
    pub note: String,
}

/// Why an alert is called off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertCancel {
    /// The reason; may be empty.
    #[serde(default)]
    pub reason: String,
}

fn extreme() -> Severity {
    Severity::Extreme
}

fn nothing() -> Response {
    Response::None
}

impl AlertNew {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("title", &self.title)?;
        check_text("text", &self.text)?;
        if self.area.is_some_and(|area| area.radius_m > ALERT_RADIUS_M_MAX) {
            let fault = format!("is over {ALERT_RADIUS_M_MAX} m, half way round the Earth");
            return Err(Refusal::Invalid { field: "radius_m", fault });
        }
        // 48 bits of milliseconds, as in a hybrid timestamp: the year 10889.
        if self.expires_ms.is_some_and(|ms| ms >= 1 << 48) {
            return Err(Refusal::Invalid {
                field: "expires_ms",
                fault: "is not a time in Unix milliseconds".to_owned(),
            });
        }
        Ok(())
    }
}

impl AlertAck {
    /// Whether the note can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("note", &self.note)
    }
}

impl AlertCancel {
    /// Whether the reason can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("reason", &self.reason)
    }
}

/// Whether an alert may be called off: by the device that raised it, whatever its epoch, and by a command post.
pub fn may_cancel(raised_by: DeviceId, device: DeviceId, role: DeviceRole) -> bool {
    raised_by == device || role == DeviceRole::Hub
}
