//! Which file system a place is on, and whether other machines may be behind it.

use std::path::{Path, PathBuf};

use procfs::process::{MountInfo, Process};

/// The name of the file system that holds `path`, or would hold it once it is made, where that is
/// one of a network: Podman can keep no images there, as it locks, and gives files to other users.
/// None where it is a disk of this machine, or can't be told.
pub(crate) fn network(path: &Path) -> Option<String> {
    let mounts = Process::myself().ok()?.mountinfo().ok()?;
    let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    let mounts = mounts.iter().map(
        |MountInfo {
             mount_point,
             fs_type,
             ..
         }| (mount_point, &**fs_type),
    );
    let holding = holding(mounts, &there)?;
    is_of_a_network(holding).then(|| holding.to_owned())
}

/// The file system mounted nearest above `path`; of those at one place the last hides the others.
fn holding<'a>(
    mounts: impl Iterator<Item = (&'a PathBuf, &'a str)>,
    path: &Path,
) -> Option<&'a str> {
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    let nearest = above.max_by_key(|(point, _)| point.components().count())?;
    Some(nearest.1)
}

/// Whether files of this file system may be another machine's. What runs in user space is, unless
/// it is known to be of this machine.
fn is_of_a_network(kind: &str) -> bool {
    match kind.strip_prefix("fuse.") {
        Some(kind) => !LOCAL_IN_USER_SPACE.contains(&kind),
        None => OF_NETWORKS.contains(&kind),
    }
}

/// As `/proc/self/mountinfo` calls them.
const OF_NETWORKS: [&str; 25] = [
    "9p", "acfs", "afs", "afp", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb3", "smbfs",
    "vboxsf", "virtiofs", "wekafs",
];

const LOCAL_IN_USER_SPACE: [&str; 4] = ["fuse-overlayfs", "squashfuse", "squashfuse_ll", "ext2"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_above_a_place_holds_it_and_the_last_of_several() {
        let mounts = [
            ("/", "ext4"),
            ("/home", "autofs"),
            ("/home", "nfs4"),
            ("/home/u/scratch", "xfs"),
        ]
        .map(|(point, kind)| (PathBuf::from(point), kind));
        let holding = |path: &str| {
            let mounts = mounts.iter().map(|(point, kind)| (point, *kind));
            holding(mounts, Path::new(path))
        };
        assert_eq!(holding("/home/u/.local"), Some("nfs4"));
        assert_eq!(holding("/home/u/scratch/x"), Some("xfs"));
        assert_eq!(holding("/homes/u"), Some("ext4"));
    }

    #[test]
    fn file_systems_of_networks_are_told_from_disks() {
        for kind in [
            "nfs",
            "nfs4",
            "lustre",
            "gpfs",
            "beegfs",
            "ceph",
            "fuse.sshfs",
            "fuse.glusterfs",
        ] {
            assert!(is_of_a_network(kind), "{kind}");
        }
        for kind in [
            "ext4",
            "xfs",
            "btrfs",
            "zfs",
            "tmpfs",
            "overlay",
            "fuse.fuse-overlayfs",
            "fuseblk",
        ] {
            assert!(!is_of_a_network(kind), "{kind}");
        }
    }

    #[test]
    fn a_place_that_is_not_made_yet_is_where_it_would_be() {
        // Of a machine, whatever it is.
        assert_eq!(network(Path::new("/proc/self/no/such/folder")), None);
    }
}
