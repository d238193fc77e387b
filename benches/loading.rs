//! What loading a large archive costs beside the engine's own `load -i` of the same file, by turns in
//! one process: `cargo bench --bench loading`. `SEGARENA_BENCH_MEGABYTES` is another size than 2000;
//! `gzip` and `zstd` make the archives.

mod engines;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use segarena_container::image_archive::ImageArchive;
use segarena_container::options::ContainerOptions;
use segarena_core::backend::{InferenceBackend, NoProgress, Submission, SubmissionSource};
use segarena_docker::DockerBackend;
use segarena_podman::PodmanBackend;
use tempfile::TempDir;

use engines::{answers, median};

const ROUNDS: usize = 3;
const IMAGE: &str = "segarena-bench-loading:latest";

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo test --all-targets` runs benchmarks as well, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("only tried: `cargo bench --bench loading` measures");
        return Ok(());
    }
    let megabytes = std::env::var("SEGARENA_BENCH_MEGABYTES").unwrap_or("2000".to_owned());
    let megabytes: usize = megabytes.parse().context("SEGARENA_BENCH_MEGABYTES")?;
    let folder = TempDir::new()?;
    let archives = make_archives(folder.path(), megabytes)?;
    println!("{megabytes} MB unpacked\n");
    println!("| engine | archive | its own load | ours | ratio |");
    println!("| --- | --- | ---: | ---: | ---: |");
    let options = ContainerOptions::default;
    for archive in archives {
        let archive = folder.path().join(archive);
        if answers("docker") {
            compare("docker", &DockerBackend::connect(options())?, &archive).await?;
        }
        if answers("podman") {
            compare("podman", &PodmanBackend::connect(options()), &archive).await?;
        }
    }
    Ok(())
}

/// An image of half random bytes, plain, gzipped and by zstd; the files' names.
fn make_archives(folder: &Path, megabytes: usize) -> Result<[&'static str; 3]> {
    let mut state = 1u64;
    let weights: Vec<u8> = (0..megabytes * 1_000_000 / 8)
        .flat_map(|_| {
            // Knuth's MMIX generator; every other half of a word is the same.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state & 0xffff_ffff_0000_0000).to_le_bytes()
        })
        .collect();
    let image = ImageArchive::named(IMAGE).file("/weights", 0o644, &weights);
    std::fs::write(folder.join("image.tar"), image.to_tar()?)?;
    for (program, name) in [("gzip", "image.tar.gz"), ("zstd", "image.tar.zst")] {
        let compressed = Command::new(program)
            .args(["-1", "--stdout"])
            .stdin(File::open(folder.join("image.tar"))?)
            .stdout(File::create(folder.join(name))?)
            .status()
            .with_context(|| format!("this machine has no {program}"))?;
        ensure!(compressed.success(), "{program} failed");
    }
    Ok(["image.tar", "image.tar.gz", "image.tar.zst"])
}

async fn compare(engine: &str, backend: &dyn InferenceBackend, archive: &Path) -> Result<()> {
    let submission = Submission {
        name: "bench".to_owned(),
        source: SubmissionSource::Archive {
            path: archive.to_owned(),
            argv: None,
        },
        env: Default::default(),
    };
    backend.check().await?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let mut refusal = None;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let loaded = Command::new(engine)
            .args(["load", "-i"])
            .arg(archive)
            .stdout(Stdio::null())
            .output()?;
        if loaded.status.success() {
            theirs.push(begun.elapsed().as_secs_f64());
            let removed = Command::new(engine).args(["rmi", IMAGE]).output()?;
            ensure!(removed.status.success(), "{engine} rmi failed");
        } else {
            let words = String::from_utf8_lossy(&loaded.stderr);
            refusal = words.lines().next().map(str::to_owned);
        }
        let begun = Instant::now();
        let runnable = backend.prepare(&submission, &NoProgress).await?;
        ours.push(begun.elapsed().as_secs_f64());
        backend.release(runnable).await?;
    }
    backend.shut_down().await?;
    let name = archive.file_name().unwrap_or_default().display();
    let ours = median(&mut ours);
    match refusal {
        Some(refusal) => println!("| {engine} | {name} | refused: {refusal} | {ours:.1} s | |"),
        None => {
            let theirs = median(&mut theirs);
            println!(
                "| {engine} | {name} | {theirs:.1} s | {ours:.1} s | {:.2} |",
                ours / theirs
            );
        }
    }
    Ok(())
}
