use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::BoxError;

/// Returns how often the disk of this folder syncs a small write in a second.
pub(crate) fn syncs_per_second(folder: &Path) -> Result<f64, BoxError> {
    const TIME: Duration = Duration::from_millis(200);
    let path = folder.join("sync-rate");
    let file = File::create(&path)?;
    file.write_all_at(&[0; 4096], 0)?;
    file.sync_all()?;
    let (began, mut syncs) = (Instant::now(), 0_u32);
    while began.elapsed() < TIME {
        file.write_all_at(&[1; 4096], 0)?;
        file.sync_data()?;
        syncs = syncs.saturating_add(1);
    }
    let rate = f64::from(syncs) / began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
