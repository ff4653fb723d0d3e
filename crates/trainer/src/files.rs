//! Files that are whole or not there: temporary name, sync, rename, sync of the directory.
//!
//! Must not know what a file holds. Invariant: a name without [`TEMPORARY`] was complete and synced when it appeared, so a
//! crash at any moment leaves the old file, the new one, or none.

use crate::error::StoreError;
use std::{
	fs::{self, File},
	io::{self, Write},
	path::{Path, PathBuf},
	sync::atomic::{AtomicU64, Ordering},
};

/// Ending of names that nobody may read.
pub const TEMPORARY: &str = "tmp";

/// Wraps what the system says of `path`.
pub fn io_error<'a>(
	action: &'static str,
	path: &'a Path,
) -> impl FnOnce(io::Error) -> StoreError + 'a {
	move |source| StoreError::Io {
		action,
		path: path.to_path_buf(),
		source,
	}
}

/// Makes a directory and removes what interrupted writers left in it.
pub fn prepare_directory(dir: &Path) -> Result<(), StoreError> {
	fs::create_dir_all(dir).map_err(io_error("create", dir))?;
	for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
		let path = entry.map_err(io_error("list", dir))?.path();
		if path.extension().is_some_and(|ending| ending == TEMPORARY) {
			remove(&path)?;
		}
	}
	Ok(())
}

/// Writes the parts one after another and puts the file under `path` in one step.
pub fn write(path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
	let temporary = temporary_name(path);
	let written = write_parts(&temporary, parts)
		.map_err(io_error("write", &temporary))
		.and_then(|()| rename(&temporary, path));
	if written.is_err() {
		// The write's own error is the one to report; a leftover goes at the next start.
		let _ = fs::remove_file(&temporary);
	}
	written
}

fn write_parts(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
	let mut file = File::create(path)?;
	for part in parts {
		file.write_all(part)?;
	}
	file.sync_all()
}

/// Gives a synced file its final name, for good.
pub fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
	fs::rename(from, to).map_err(io_error("rename", from))?;
	sync_directory(to)
}

/// A name is durable only once its directory is.
#[cfg(unix)]
fn sync_directory(of: &Path) -> Result<(), StoreError> {
	match of.parent() {
		Some(dir) => File::open(dir)
			.and_then(|dir| dir.sync_all())
			.map_err(io_error("sync", dir)),
		None => Ok(()),
	}
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), StoreError> {
	Ok(())
}

/// The bytes of a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
	match fs::read(path) {
		Ok(bytes) => Ok(Some(bytes)),
		Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
		Err(error) => Err(io_error("read", path)(error)),
	}
}

/// Removes a file; one that is not there is removed already.
pub fn remove(path: &Path) -> Result<(), StoreError> {
	match fs::remove_file(path) {
		Err(error) if error.kind() != io::ErrorKind::NotFound => {
			Err(io_error("remove", path)(error))
		}
		_ => Ok(()),
	}
}

/// A name beside `path` that no other writer of this process uses.
fn temporary_name(path: &Path) -> PathBuf {
	static COUNTER: AtomicU64 = AtomicU64::new(0);
	let number = COUNTER.fetch_add(1, Ordering::Relaxed);
	let mut name = path.as_os_str().to_owned();
	name.push(format!(".{number}.{TEMPORARY}"));
	name.into()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn writes_replace_and_leave_nothing_behind() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("name");
		write(&path, &[b"one", b"two"]).unwrap();
		write(&path, &[b"three"]).unwrap();
		assert_eq!(read(&path).unwrap().unwrap(), b"three");
		assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
		remove(&path).unwrap();
		remove(&path).unwrap();
		assert_eq!(read(&path).unwrap(), None);
	}

	#[test]
	fn leftovers_go_at_the_next_start() {
		let dir = tempfile::tempdir().unwrap();
		fs::write(dir.path().join("a.7.tmp"), b"half").unwrap();
		fs::write(dir.path().join("b"), b"whole").unwrap();
		prepare_directory(dir.path()).unwrap();
		assert!(!dir.path().join("a.7.tmp").exists() && dir.path().join("b").exists());
	}

	#[test]
	fn an_error_names_the_file_and_the_cause() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("missing").join("name");
		let error = write(&path, &[b"x"]).unwrap_err();
		assert!(matches!(
			&error,
			StoreError::Io {
				action: "write",
				..
			}
		));
		let text = crate::describe(&error);
		assert!(
			text.contains("missing") && text.contains("No such file"),
			"{text}"
		);
	}
}
