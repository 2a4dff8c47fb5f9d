/// Implements `Error` for a setup error, and `Debug` with the text of `Display`.
///
/// A `main` that returns `Result<(), Box<dyn Error>>` prints the `Debug` text.
macro_rules! setup_error {
    ($error:ty) => {
        impl core::fmt::Debug for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl core::error::Error for $error {}
    };
}

pub(crate) use setup_error;
