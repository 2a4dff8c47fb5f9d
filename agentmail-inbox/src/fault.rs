//! Places before and after each statement of a store, where a test can end the process.

#[cfg(feature = "test-util")]
use std::sync::OnceLock;

#[cfg(feature = "test-util")]
static HOOK: OnceLock<fn(&'static str)> = OnceLock::new();

/// Calls `hook` at each fault point of the stores in this process, with the name of the point, for
/// example `sqlite.store.committed`.
///
/// A test ends the process there. Only the first hook of a process has an effect.
#[cfg(feature = "test-util")]
pub fn on_fault_point(hook: fn(&'static str)) {
    _ = HOOK.set(hook);
}

/// A fault point. Without the feature `test-util`, it does nothing.
#[cfg(feature = "sqlite")]
#[inline]
pub(crate) fn point(name: &'static str) {
    #[cfg(feature = "test-util")]
    if let Some(hook) = HOOK.get() {
        hook(name);
    }
    #[cfg(not(feature = "test-util"))]
    let _ = name;
}
