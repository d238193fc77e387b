//! An image with the stand-in submission, made of this machine's own programs.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use segarena_container::image_archive::ImageArchive;

use crate::scenario::stand_in;

/// The programs that the tests' scripts use, from this machine.
const PROGRAMS: [&str; 22] = [
    "bash", "cat", "chmod", "cp", "cut", "dd", "env", "head", "id", "ln", "ls", "mkdir", "mkfifo",
    "rm", "seq", "setsid", "sleep", "touch", "tr", "wc", "xargs", "yes",
];

/// An image with the stand-in, a shell and a few programs. Its `predict.sh` runs the stand-in.
pub fn image(name: &str) -> ImageArchive {
    let name = if name.contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    };
    shell_image(&name)
        .program("/usr/local/bin/stand_in", &stand_in())
        .file("/workspace/predict.sh", 0o755, b"/usr/local/bin/stand_in\n")
}

/// An image with a shell and a few programs.
pub fn shell_image(name: &str) -> ImageArchive {
    let mut image = ImageArchive::named(name)
        .program("/bin/sh", &on_path("dash"))
        .program("/bin/chown", &on_path("chown"))
        .file("/etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    for program in PROGRAMS {
        image = image.program(&format!("/bin/{program}"), &on_path(program));
    }
    image
}

fn on_path(program: &str) -> PathBuf {
    ["/bin", "/usr/bin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("this machine has no {program}"))
}

/// Writes an image as `docker save | gzip` would.
pub fn write_gzipped(image: &ImageArchive, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut gzip = GzEncoder::new(file, Compression::fast());
    gzip.write_all(&image.to_tar().unwrap()).unwrap();
    gzip.finish().unwrap();
}
