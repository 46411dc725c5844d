//! Files for their owner alone, written whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::TransportError;

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> TransportError {
    let path = path.to_owned();
    move |source| TransportError::File { path, source }
}

/// Writes a file for its owner alone: beside its place first, synced, then renamed into place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TransportError> {
    let beside = path.with_extension("part");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(failed(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(path))?;
    std::fs::rename(&beside, path).map_err(failed(path))?;
    if let Some(folder) = path.parent() {
        // The rename itself must survive a power cut.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(path))?;
    }
    Ok(())
}

/// Reads a file that must be for its owner alone.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TransportError> {
    let bytes = std::fs::read(path).map_err(failed(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_err(failed(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(TransportError::Exposed { path: path.to_owned() });
        }
    }
    Ok(bytes)
}
