//! What a stranger may leave in the way of whoever puts a folder in order: a mode that locks it, a
//! flag of the file system that nothing in it changes (`chattr +i`, `+a`), something mounted on it.
//!
//! It is taken away where we may, by the handle of the folder around it. What is mounted is never
//! looked into and never changed.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{FileType, IFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

/// So many things may be mounted one on the other.
const LAYERS: usize = 64;

/// Does something with `name` in `folder` and, where something is in its way that can be taken
/// away, does it again.
pub(crate) fn despite_obstacles<T>(
    folder: impl AsFd,
    name: &CStr,
    act: impl Fn() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let folder = folder.as_fd();
    let mut done = act();
    for _ in 0..LAYERS {
        let is_cleared = match done {
            Err(Errno::BUSY | Errno::XDEV) => take_off(folder, name).is_ok(),
            Err(Errno::PERM) => unfreeze(folder) | unfreeze_named(folder, name),
            _ => false,
        };
        if !is_cleared {
            break;
        }
        done = act();
    }
    done
}

/// The error for people.
pub(crate) fn told(errno: Errno) -> io::Error {
    match errno {
        Errno::XDEV | Errno::BUSY => io::Error::new(
            io::ErrorKind::ResourceBusy,
            "something is mounted there, or in use",
        ),
        errno => errno.into(),
    }
}

/// Opens a folder that may have been locked, unlocking it for its owner.
pub(crate) fn open_folder(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let looked_at = look_at_folder(parent, name)?;
    let mode = rustix::fs::fstat(&looked_at)?.st_mode;
    if !Mode::from_raw_mode(mode).contains(Mode::RWXU) {
        // Somebody else's folder stays as it is: what follows says what can't be done.
        let _ = change_mode(&looked_at, 0o700);
    }
    read(&looked_at)
}

/// A folder to read, by a handle that need not be for that.
pub(crate) fn read(folder: &OwnedFd) -> io::Result<OwnedFd> {
    // The same folder, whatever its name means by now.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, c".", flags, Mode::empty())?)
}

/// A handle that needs no right to the folder, which is `parent`'s own and not what is mounted on
/// it.
pub(crate) fn look_at_folder(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let parent = parent.as_fd();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    despite_obstacles(parent, name, || open_unmounted(parent, name, flags)).map_err(told)
}

/// Changes the mode of what a handle means. `fchmod` refuses a handle that was opened without any
/// right; the name that the kernel has for it does not.
pub(crate) fn change_mode(handle: &OwnedFd, mode: u32) -> io::Result<()> {
    let change = || fs::set_permissions(name_of(handle), Permissions::from_mode(mode));
    match change() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            match read(handle).is_ok_and(|folder| unfreeze(folder.as_fd())) {
                true => change(),
                false => Err(error),
            }
        }
        changed => changed,
    }
}

/// Opens what a folder has under a name, unless that is a link or something is mounted on it.
pub(crate) fn open_unmounted(
    parent: BorrowedFd<'_>,
    name: &CStr,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), ResolveFlags::NO_XDEV) {
        // A kernel before 5.6, or a container that lets nobody ask.
        Err(Errno::NOSYS | Errno::PERM) => open_and_compare(parent, name, flags),
        opened => opened,
    }
}

fn open_and_compare(
    parent: BorrowedFd<'_>,
    name: &CStr,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let opened = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    match (mount_of(parent), mount_of(opened.as_fd())) {
        (Some(around), Some(inside)) if around == inside => Ok(opened),
        _ => Err(Errno::XDEV),
    }
}

/// The number of the mount that a handle lies on.
fn mount_of(handle: BorrowedFd<'_>) -> Option<u64> {
    let known = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
    let number = known.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    number?.trim().parse().ok()
}

/// Takes off what is mounted on `name`.
fn take_off(folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mounted = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let place = name_of(&mounted);
    // What is mounted below it may be mounted elsewhere too, and stays there.
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(&*place, alone)?;
    rustix::mount::unmount(&*place, UnmountFlags::DETACH)
}

/// Takes the flags away that keep even its owner from changing a file or folder, if it has any.
pub(crate) fn unfreeze(file: BorrowedFd<'_>) -> bool {
    let frozen = IFlags::IMMUTABLE | IFlags::APPEND;
    rustix::fs::ioctl_getflags(file).is_ok_and(|flags| {
        flags.intersects(frozen) && rustix::fs::ioctl_setflags(file, flags - frozen).is_ok()
    })
}

fn unfreeze_named(folder: BorrowedFd<'_>, name: &CStr) -> bool {
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(found) = rustix::fs::openat(folder, name, look, Mode::empty()) else {
        return false;
    };
    let kind = rustix::fs::fstat(&found).map(|stat| FileType::from_raw_mode(stat.st_mode));
    // Opening anything else may do something.
    if !matches!(kind, Ok(FileType::RegularFile | FileType::Directory)) {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(name_of(&found), flags, Mode::empty()).is_ok_and(|file| unfreeze(file.as_fd()))
}

/// The name that the kernel has for an open file.
fn name_of(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways to open, on what every Linux has.
    #[test]
    fn what_is_mounted_in_a_folder_is_not_opened() {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let root = rustix::fs::open("/", flags, Mode::empty()).unwrap();
        let opened = [
            open_unmounted(root.as_fd(), c"proc", flags),
            open_and_compare(root.as_fd(), c"proc", flags),
        ];
        for opened in opened {
            assert_eq!(opened.unwrap_err(), Errno::XDEV);
        }
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("own")).unwrap();
        let place = rustix::fs::open(place.path(), flags, Mode::empty()).unwrap();
        open_unmounted(place.as_fd(), c"own", flags).unwrap();
        open_and_compare(place.as_fd(), c"own", flags).unwrap();
    }

    #[test]
    fn what_is_not_mounted_is_not_taken_off() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("own")).unwrap();
        let handle = fs::File::open(place.path()).unwrap();
        assert!(take_off(handle.as_fd(), c"own").is_err());
        assert!(!unfreeze(handle.as_fd()));
    }
}
