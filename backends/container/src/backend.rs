//! The backend that every engine gives: how a submission's image is found, kept and removed.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use segarena_contract::{
    BackendError, BackendErrorKind, BackendStatus, Execution, FreshStarts, ImageFacts,
    InferenceBackend, InteractionRequest, PrepareProgress, Runnable, SessionRequest, Submission,
    SubmissionFacts, SubmissionSession, SubmissionSource,
};
use segarena_warm::WarmSession;
use tokio::sync::OnceCell;

use crate::archive::SAVE_AGAIN;
use crate::engine::{About, Engine, Image};
use crate::helper::Helper;
use crate::interaction::Run;
use crate::leftovers::{self, Mark};
use crate::limits::Limits;
use crate::loading::{self, Bounds, LoadedImage};
use crate::options::ContainerOptions;
use crate::pending::Pending;
use crate::request::{self, ContainerRequest};
use crate::store::Store;
use crate::tags;
use crate::warm::WarmContainer;

/// Runs submissions in an engine's containers.
#[derive(Debug)]
pub struct ContainerBackend<E> {
    engine: Arc<E>,
    options: ContainerOptions,
    about: OnceCell<About>,
    pending: Arc<Pending>,
    helper: Arc<Helper>,
}

impl<E: Engine> ContainerBackend<E> {
    /// A backend on this engine.
    pub fn new(engine: E, options: ContainerOptions) -> Self {
        Self {
            engine: Arc::new(engine),
            options,
            about: OnceCell::new(),
            pending: Arc::default(),
            helper: Arc::default(),
        }
    }

    /// What it takes to run this container.
    fn run_of(&self, container: ContainerRequest, about: &About) -> Run<E> {
        Run {
            engine: Arc::clone(&self.engine),
            pending: Arc::clone(&self.pending),
            helper: Arc::clone(&self.helper),
            container,
            us: about.us(),
            knows_out_of_memory: about.memory && about.cgroup_version == 2,
            store: about.store.as_deref().and_then(Store::at),
        }
    }

    /// What the engine is; asked once.
    async fn about(&self) -> Result<&About, BackendError> {
        self.about.get_or_try_init(|| self.engine.about()).await
    }

    /// Loads an archive, and says which of its images is run.
    async fn load(
        &self,
        name: &str,
        path: &Path,
        progress: &dyn PrepareProgress,
    ) -> Result<Chosen, BackendError> {
        let bounds = Bounds {
            size: self.options.archive_size,
            time: self.options.load_timeout(),
            store: self.about().await?.store.clone(),
        };
        let loaded =
            loading::load(&self.pending, &self.engine, name, path, &bounds, progress).await;
        let images = match loaded {
            Err(error) if error.kind() == BackendErrorKind::NoSpace => {
                return Err(self.no_space(error).await);
            }
            loaded => loaded?,
        };
        let names: Vec<String> = images.iter().flat_map(LoadedImage::called).collect();
        let (reference, remark) = tags::choose(name, &names).ok_or_else(|| {
            let message = format!(
                "submission `{name}`: there is no image in {}",
                path.display()
            );
            BackendError::new(BackendErrorKind::Submission, message).with_advice(SAVE_AGAIN)
        })?;
        if let Some(remark) = remark {
            progress.note(&remark);
        }
        let chosen = images
            .iter()
            .find(|image| image.called().contains(&reference));
        Ok(Chosen {
            image: chosen.map_or(reference.clone(), |image| image.id.clone()),
            reference,
            images,
        })
    }

    /// A disk that has room for an image of our own has too little for this archive alone, which
    /// keeps nobody else from being run.
    async fn no_space(&self, error: BackendError) -> BackendError {
        match self.helper.can_be_loaded(&self.engine).await {
            true => error.of_submission(),
            false => error,
        }
    }

    /// The image of a submission that can run here.
    async fn image(&self, submission: &Submission, reference: &str) -> Result<Image, BackendError> {
        let name = &submission.name;
        let about = self.about().await?;
        let image = self
            .engine
            .image(reference)
            .await?
            .ok_or_else(|| missing(self.kind(), submission, reference, about))?;
        let here = &about.architecture;
        if !image.architecture.is_empty() && image.architecture != *here {
            return Err(BackendError::new(
                BackendErrorKind::Submission,
                format!(
                    "submission `{name}`: its image is for {} and this machine is {here}",
                    image.architecture
                ),
            )
            .with_advice(format!("build it with --platform linux/{here}")));
        }
        Ok(image)
    }
}

/// The graphics cards that a container can be given, for people.
fn cards(there: Option<&[String]>) -> String {
    match there {
        None | Some([]) => "none".to_owned(),
        Some(ids) => ids.join(" "),
    }
}

/// The error for an image that is not with the engine.
fn missing(kind: &str, submission: &Submission, reference: &str, about: &About) -> BackendError {
    let name = &submission.name;
    let message = format!("submission `{name}`: {kind} has no image `{reference}`");
    let error = BackendError::new(BackendErrorKind::Submission, message);
    match (&submission.source, &about.caution) {
        // It was loaded a moment ago, so another run has removed it at its end.
        (SubmissionSource::Archive { .. }, _) => error.temporary(),
        (_, Some(caution)) => {
            error.with_advice(format!("give the `archive` it was saved to: {caution}"))
        }
        (_, None) => {
            error.with_advice("load or build it first, or give the `archive` it was saved to")
        }
    }
}

/// The mark that keeps an archive's image for this run when somebody else has loaded it and takes
/// it away. An image without a name gets none: it would go with its only name.
fn mark_for(source: &SubmissionSource, image: &Image) -> Option<Mark> {
    match source {
        SubmissionSource::Archive { .. } if !image.names.is_empty() => {
            Some(Mark::of_used(&image.id))
        }
        _ => None,
    }
}

/// The image to run.
struct Chosen {
    /// By which the engine knows it.
    image: String,
    /// What it is called, for people.
    reference: String,
    /// All that were loaded with it.
    images: Vec<LoadedImage>,
}

impl Chosen {
    /// One that the engine has.
    fn there(reference: &str) -> Self {
        Self {
            image: reference.to_owned(),
            reference: reference.to_owned(),
            images: Vec::new(),
        }
    }
}

#[async_trait]
impl<E: Engine> InferenceBackend for ContainerBackend<E> {
    fn kind(&self) -> &str {
        self.engine.kind()
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        let about = self.about().await?.clone();
        let (_, limits) = Limits::new(&self.options, &about)?;
        leftovers::sweep(&*self.engine).await?;
        let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let mut facts = vec![
            ("rootless".to_owned(), word(about.rootless)),
            ("cgroup".to_owned(), format!("v{}", about.cgroup_version)),
            ("swap limited".to_owned(), word(about.swap)),
            ("graphics cards".to_owned(), cards(about.gpus.as_deref())),
        ];
        facts.extend(about.facts);
        Ok(BackendStatus {
            engine: about.name,
            version: Some(about.version),
            facts,
            limits,
            caution: about.caution,
        })
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        let name = &submission.name;
        let chosen = match &submission.source {
            SubmissionSource::Archive { path, .. } => self.load(name, path, progress).await?,
            SubmissionSource::Image { reference, .. } => Chosen::there(reference),
            SubmissionSource::Command { .. } => {
                return Err(BackendError::new(
                    BackendErrorKind::Submission,
                    format!(
                        "submission `{name}` is a command, which needs `archive` or `image` to \
                         run on {}",
                        self.kind()
                    ),
                )
                .with_advice("give one of them, or choose kind = \"process\""));
            }
        };
        let mut loaded = loading::new_ids(&chosen.images);
        let image = match self.image(submission, &chosen.image).await {
            Ok(image) => image,
            Err(error) => {
                // The first error is the one to tell.
                let _ = loading::unload(&*self.engine, &loaded).await;
                return Err(error);
            }
        };
        if self.options.keep_image {
            loading::keep(&*self.engine, &chosen.images, progress).await?;
            loaded.clear();
        }
        if !loaded.contains(&image.id)
            && let Some(mark) = mark_for(&submission.source, &image)
        {
            // Gone, if another run has just removed it: loading it once more helps.
            let put = mark.put(&*self.engine, &image).await;
            put.map_err(BackendError::temporary)?;
        }
        let reference = chosen.reference;
        progress.note(&format!("runs {reference} ({})", loading::short(&image.id)));
        let archive_names = chosen.images.iter().flat_map(LoadedImage::called);
        let facts = facts(reference, archive_names.collect(), &image);
        Ok(Runnable {
            submission: submission.clone(),
            fingerprint: request::fingerprint(&image.id, &self.options, submission),
            reference: image.id,
            loaded,
            facts,
        })
    }

    fn keeps_warm(&self) -> bool {
        true
    }

    async fn open<'a>(
        &'a self,
        runnable: &'a Runnable,
        request: &SessionRequest<'_>,
    ) -> Result<Box<dyn SubmissionSession + 'a>, BackendError> {
        let about = self.about().await?;
        let (limits, _) = Limits::new(&self.options, about)?;
        let container = ContainerRequest::for_session(&self.options, &limits, runnable, request);
        let Some(container) = container else {
            return Ok(Box::new(FreshStarts::new(self, runnable)));
        };
        let run = self.run_of(container, about);
        Ok(Box::new(WarmSession::new(WarmContainer { run })))
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        let about = self.about().await?;
        let (limits, _) = Limits::new(&self.options, about)?;
        let container = ContainerRequest::new(&self.options, &limits, runnable, request);
        self.run_of(container, about).run(request).await
    }

    async fn release(&self, runnable: Runnable) -> Result<(), BackendError> {
        self.pending.settle(&*self.engine).await?;
        loading::unload(&*self.engine, &runnable.loaded).await?;
        let used = Mark::of_used(&runnable.reference);
        used.take_away(&*self.engine).await
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        let settled = self.pending.settle(&*self.engine).await;
        let unloaded = self.helper.unload(&*self.engine).await;
        self.engine.shut_down().await?;
        settled.and(unloaded)
    }
}

/// What the engine says of an image that is run by this name.
fn facts(reference: String, archive_names: Vec<String>, image: &Image) -> SubmissionFacts {
    SubmissionFacts::Image(ImageFacts {
        reference,
        id: image.id.clone(),
        archive_names,
        size: image.size,
        architecture: image.architecture.clone(),
        user: image.user.clone(),
        workdir: image.workdir.clone(),
        entrypoint: image.entrypoint.clone(),
    })
}
