use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use super::failure::Failure;

/// The longest input, in bytes.
const MAX_LEN: u64 = 64 << 20;

/// Reads a file, or the standard input if the path is `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().take(MAX_LEN).read_to_end(&mut content)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut content))
    };
    match read {
        Ok(len) if u64::try_from(len).is_ok_and(|len| len < MAX_LEN) => Ok(content),
        Ok(_) => Err(Failure::input(format!("{}: longer than 64 MiB", path.display()))),
        Err(error) => Err(Failure::file(path, &error)),
    }
}
