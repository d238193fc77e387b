//! What an interaction costs in an engine's container beside the engine's own `run --rm` of the
//! same image, by turns in one process: `cargo bench --bench beside_engine_run`.

mod engines;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use segarena_container::image_archive::ImageArchive;
use segarena_container::options::ContainerOptions;
use segarena_core::backend::{
    InferenceBackend, InteractionRequest, NoProgress, Submission, SubmissionSource,
};
use segarena_docker::DockerBackend;
use segarena_podman::PodmanBackend;
use tempfile::TempDir;

use engines::{answers, median};

const ROUNDS: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    println!(
        "| engine | its own run | an interaction | of it: create, start, run | removal | ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let options = ContainerOptions::default;
    if answers("docker") {
        compare("docker", &DockerBackend::connect(options())?).await?;
    }
    if answers("podman") {
        compare("podman", &PodmanBackend::connect(options())).await?;
    }
    Ok(())
}

async fn compare(engine: &str, backend: &dyn InferenceBackend) -> Result<()> {
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name);
    for name in ["inputs", "outputs"] {
        std::fs::create_dir(path(name))?;
    }
    let shell = which("dash").context("this machine has no dash")?;
    let image = ImageArchive::named("segarena-bench:latest").program("/bin/sh", &shell);
    std::fs::write(path("image.tar"), image.to_tar()?)?;
    let submission = Submission {
        name: "bench".to_owned(),
        source: SubmissionSource::Archive {
            path: path("image.tar"),
            argv: Some(["/bin/sh", "-c", ":"].map(str::to_owned).to_vec()),
        },
        env: Default::default(),
    };
    backend.check().await?;
    let runnable = backend.prepare(&submission, &NoProgress).await?;
    let (inputs, outputs, log) = (path("inputs"), path("outputs"), path("log"));
    let request = InteractionRequest {
        run_id: "bench",
        case: "bench.npz",
        index: 1,
        inputs: &inputs,
        outputs: &outputs,
        timeout: Duration::from_secs(60),
        log: &log,
        cancel: Default::default(),
        worker: 0,
    };
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let mut phases = vec![Vec::new(); 4];
    for _ in 0..ROUNDS {
        let bind = format!("{}:/workspace/inputs", inputs.display());
        let begun = Instant::now();
        let ran = Command::new(engine)
            .args(["run", "--rm", "--network=none", "--memory=32g", "-v", &bind])
            // Where limits may not be raised, Podman's own do not start.
            .args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"])
            .args(["segarena-bench:latest", "/bin/sh", "-c", ":"])
            .stdout(Stdio::null())
            .status()?;
        theirs.push(begun.elapsed().as_secs_f64());
        ensure!(ran.success(), "{engine} run failed");
        let begun = Instant::now();
        let execution = backend.infer(&runnable, &request).await?;
        ours.push(begun.elapsed().as_secs_f64());
        for (times, phase) in phases.iter_mut().zip(&execution.phases) {
            times.push(phase.seconds);
        }
    }
    backend.release(runnable).await?;
    backend.shut_down().await?;
    let (theirs, ours) = (median(&mut theirs), median(&mut ours));
    let phases: Vec<f64> = phases.iter_mut().map(|times| median(times)).collect();
    println!(
        "| {engine} | {:.0} ms | {:.0} ms | {:.0}, {:.0}, {:.0} ms | {:.0} ms | {:.2} |",
        1e3 * theirs,
        1e3 * ours,
        1e3 * phases[0],
        1e3 * phases[1],
        1e3 * phases[2],
        1e3 * phases[3],
        ours / theirs
    );
    Ok(())
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
