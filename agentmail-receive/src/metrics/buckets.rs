/// The bounds of the buckets of each histogram, by its name: those of this crate, of
/// `agentmail-dedupe` and of `agentmail-inbox`.
///
/// Give them to the exporter. Without them, most exporters make a summary of a histogram, and no
/// alert can use it.
pub const BUCKETS: &[(&str, &[f64])] = &[
    ("agentmail_delivery_age_seconds", AGES),
    ("agentmail_delivery_ahead_seconds", AGES),
    (
        "agentmail_verify_duration_seconds",
        &[0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01],
    ),
    ("agentmail_body_bytes", &[256.0, 512.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0]),
    (
        "agentmail_store_duration_seconds",
        &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
    ),
    (
        "agentmail_inbox_attempt_duration_seconds",
        &[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0],
    ),
    (
        "agentmail_inbox_latency_seconds",
        &[0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0],
    ),
];

/// The tolerance is 300 seconds by default.
const AGES: &[f64] = &[0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 150.0, 240.0, 300.0, 900.0, 3_600.0];
