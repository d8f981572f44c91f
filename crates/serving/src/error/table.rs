//! The table: error → status in HTTP and gRPC, label in metrics, who caused it.
//!
//! Each protocol uses its column; a new kind of error is a new row, and the compiler requires every column.

use stillhouse_core::rollout::Outcome;

/// gRPC's status codes that are used here, with their numbers on the wire
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GrpcStatus {
    /// The request is wrong, independent of the server's state.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// Not found.
    NotFound = 5,
    /// Not allowed here.
    PermissionDenied = 7,
    /// A limit was reached.
    ResourceExhausted = 8,
    /// An internal error of the server.
    Internal = 13,
    /// Try again later.
    Unavailable = 14,
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The caller: any caller can cause it at will.
    Caller,
    /// The server or its operator, but no version: monitoring of the server must see it.
    Server,
    /// The version that was asked, if stable answers the same input: then it may be evidence against a canary.
    Version,
}

macro_rules! table {
    ($($kind:ident: $code:literal, $http:literal, $grpc:ident, $outcome:ident, $fault:ident;)*) => {
        /// A kind of failed prediction: one row of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named like the code beside it")]
        pub enum ErrorKind { $($kind),* }

        impl ErrorKind {
            /// Every row.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// For programs; the label `reason` of `stillhouse_refusals_total` has the same value.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code),* }
            }

            /// The HTTP status.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$kind => $http),* }
            }

            /// The gRPC status.
            pub fn grpc_status(self) -> GrpcStatus {
                match self { $(Self::$kind => GrpcStatus::$grpc),* }
            }

            /// The outcome in the counters of the version that was asked.
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$kind => Outcome::$outcome),* }
            }

            fn fault(self) -> Fault {
                match self { $(Self::$kind => Fault::$fault),* }
            }
        }
    };
}

table! {
    // kind                   code                        HTTP gRPC              outcome  whose fault
    UnknownModel:             "unknown_model",            404, NotFound,          Invalid, Caller;
    NoDefaultModel:           "no_default_model",         404, NotFound,          Invalid, Caller;
    UnknownRole:              "unknown_role",             404, NotFound,          Invalid, Caller;
    RoleNotFilled:            "role_not_filled",          404, NotFound,          Invalid, Caller;
    RoleNotAllowed:           "role_not_allowed",         403, PermissionDenied,  Invalid, Caller;
    BodyTooLarge:             "body_too_large",           413, ResourceExhausted, Invalid, Caller;
    BodyInflated:             "body_inflates_too_far",    413, ResourceExhausted, Invalid, Caller;
    BodySlow:                 "body_too_slow",            408, DeadlineExceeded,  Invalid, Caller;
    BodyBroken:               "body_broken",              400, InvalidArgument,   Invalid, Caller;
    BodyEncodingCorrupt:      "body_encoding_corrupt",    400, InvalidArgument,   Invalid, Caller;
    BodyEncodingUnknown:      "body_encoding_unknown",    415, InvalidArgument,   Invalid, Caller;
    BytesInFlight:            "too_many_bytes_in_flight", 503, ResourceExhausted, Refused, Server;
    TopK:                     "top_k_out_of_range",       400, InvalidArgument,   Invalid, Caller;
    NoInput:                  "no_picture",               400, InvalidArgument,   Invalid, Caller;
    TooManyInputs:            "too_many_pictures",        400, InvalidArgument,   Invalid, Caller;
    TooManyPixels:            "too_many_pixels",          413, ResourceExhausted, Invalid, Caller;
    Shape:                    "shape_mismatch",           400, InvalidArgument,   Invalid, Caller;
    NumberNotFinite:          "number_not_finite",        400, InvalidArgument,   Invalid, Caller;
    NumberNotAByte:           "number_not_a_byte",        400, InvalidArgument,   Invalid, Caller;
    ImageEmpty:               "body_empty",               400, InvalidArgument,   Invalid, Caller;
    ImageUnsupported:         "image_format_unsupported", 415, InvalidArgument,   Invalid, Caller;
    ImageTooManyBytes:        "image_too_many_bytes",     413, ResourceExhausted, Invalid, Caller;
    ImageTooManyPixels:       "image_too_many_pixels",    413, ResourceExhausted, Invalid, Caller;
    ImageTooManyScans:        "image_too_many_scans",     422, InvalidArgument,   Invalid, Caller;
    ImageTooManySegments:     "image_too_many_segments",  422, InvalidArgument,   Invalid, Caller;
    ImageCorrupt:             "image_corrupt",            422, InvalidArgument,   Invalid, Caller;
    QueueFull:                "queue_full",               503, Unavailable,       Refused, Version;
    VersionEnded:             "version_ended",            503, Unavailable,       Refused, Server;
    VersionStuck:             "version_stuck",            503, Unavailable,       Refused, Version;
    DeadlineBeforeInference:  "deadline_exceeded",        504, DeadlineExceeded,  Expired, Server;
    Deadline:                 "deadline_exceeded",        504, DeadlineExceeded,  Expired, Version;
    ClientDeadline:           "client_deadline_exceeded", 504, DeadlineExceeded,  ClientExpired, Caller;
    InferenceFailed:          "inference_failed",         500, Internal,          Failed,  Version;
    InferencePanicked:        "inference_panicked",       500, Internal,          Failed,  Version;
    NonFinite:                "non_finite_output",        500, Internal,          Failed,  Version;
    WorkerLost:               "worker_lost",              500, Internal,          Failed,  Version;
    Panicked:                 "panicked",                 500, Internal,          Failed,  Server;
}

impl ErrorKind {
    /// Whether the server or one of its versions failed, not the caller.
    pub fn is_own_fault(self) -> bool {
        self.fault() != Fault::Caller
    }

    /// Whether it may be evidence against the version that was asked.
    pub fn blames_version(self) -> bool {
        self.fault() == Fault::Version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_agree_with_each_other() {
        for kind in ErrorKind::ALL {
            let (http, outcome) = (kind.http_status(), kind.outcome());
            let is_client_error = (400..500).contains(&http);
            assert_eq!(is_client_error, outcome == Outcome::Invalid, "{kind:?}");
            assert!(!is_client_error || !kind.is_own_fault(), "{kind:?}");
            assert!(
                !kind.blames_version() || outcome.is_worth_a_fallback(),
                "{kind:?}"
            );
            let by_http = match http {
                400 | 415 | 422 => &[GrpcStatus::InvalidArgument][..],
                403 => &[GrpcStatus::PermissionDenied],
                404 => &[GrpcStatus::NotFound],
                408 | 504 => &[GrpcStatus::DeadlineExceeded],
                413 => &[GrpcStatus::ResourceExhausted],
                500 => &[GrpcStatus::Internal],
                503 => &[GrpcStatus::Unavailable, GrpcStatus::ResourceExhausted],
                other => panic!("{other} is not in this test's table"),
            };
            assert!(by_http.contains(&kind.grpc_status()), "{kind:?}");
            assert!(
                kind.code()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            );
        }
    }
}
