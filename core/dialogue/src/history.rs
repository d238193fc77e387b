//! The clicks of a case so far.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::clicks::{Click, ClickKind};
use crate::prompt::{Member, Value};
use segarena_kernels::Voxel;

/// All clicks placed in a case so far: for each label, in ascending order, one entry per
/// interaction with clicks, `None` where the label was perfect and got none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickHistory {
    labels: Vec<Vec<Option<Click>>>,
}

impl ClickHistory {
    /// No clicks yet, for so many labels.
    pub fn new(labels: usize) -> Self {
        Self {
            labels: vec![Vec::new(); labels],
        }
    }

    /// Adds one interaction: for each label, ascending, its click or none.
    ///
    /// # Panics
    /// If there are not as many entries as labels.
    pub fn push(&mut self, clicks: &[Option<Click>]) {
        assert_eq!(
            clicks.len(),
            self.labels.len(),
            "one click or none for each label"
        );
        for (label, click) in self.labels.iter_mut().zip(clicks) {
            label.push(*click);
        }
    }

    /// How many labels there are.
    pub fn label_count(&self) -> usize {
        self.labels.len()
    }

    /// How many interactions with clicks there have been.
    pub fn interactions(&self) -> usize {
        self.labels.first().map_or(0, Vec::len)
    }

    /// Whether every label has got a click at every interaction.
    pub fn is_complete(&self) -> bool {
        self.labels.iter().flatten().all(Option::is_some)
    }

    /// The members `clicks` and `clicks_order` of a model input, in the challenge's form.
    pub fn members(&self) -> [Member; 2] {
        let dictionaries = self.labels().map(|label| {
            let of_kind = |kind: ClickKind| {
                let voxels = label.of_kind(kind).map(voxel_value).collect();
                (kind.name().to_owned(), Value::List(voxels))
            };
            Value::Dict(vec![of_kind(ClickKind::Fg), of_kind(ClickKind::Bg)])
        });
        let clicks = Member::Objects {
            shape: vec![self.label_count()],
            items: dictionaries.collect(),
        };
        [clicks, self.order()]
    }

    /// `clicks_order`: an array of strings where every label has its click, of objects otherwise.
    fn order(&self) -> Member {
        let shape = vec![self.label_count(), self.interactions()];
        let kinds = || self.labels().flat_map(LabelClicks::kinds);
        let names: Option<Vec<_>> = kinds().map(|kind| kind.map(ClickKind::name)).collect();
        match names {
            Some(items) => Member::TwoLetters { shape, items },
            None => Member::Objects {
                shape,
                items: kinds()
                    .map(|kind| {
                        kind.map_or(Value::None, |kind| Value::Text(kind.name().to_owned()))
                    })
                    .collect(),
            },
        }
    }

    /// The labels' clicks, labels ascending.
    pub fn labels(&self) -> impl Iterator<Item = LabelClicks<'_>> {
        self.labels.iter().map(|clicks| LabelClicks { clicks })
    }
}

/// The clicks of one label.
#[derive(Debug, Clone, Copy)]
pub struct LabelClicks<'a> {
    clicks: &'a [Option<Click>],
}

impl<'a> LabelClicks<'a> {
    /// The clicks in order, `None` where the label was perfect.
    pub fn in_order(self) -> &'a [Option<Click>] {
        self.clicks
    }

    /// The voxels of the clicks of one kind, in order.
    pub fn of_kind(self, kind: ClickKind) -> impl Iterator<Item = Voxel> + 'a {
        self.clicks
            .iter()
            .flatten()
            .filter(move |click| click.kind == kind)
            .map(|click| click.at)
    }

    /// The kinds of the clicks, in order: the label's row of `clicks_order`.
    pub fn kinds(self) -> impl Iterator<Item = Option<ClickKind>> + 'a {
        self.clicks
            .iter()
            .map(|click| click.map(|click| click.kind))
    }
}

fn voxel_value(voxel: Voxel) -> Value {
    Value::List(voxel.map(|index| Value::Int(index as i64)).to_vec())
}

/// As the submission gets it: `{"clicks": [{"fg": [[z, y, x], …], "bg": […]}, …],
/// "clicks_order": [["fg", null, …], …]}`.
impl Serialize for ClickHistory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Voxels {
            fg: Vec<Voxel>,
            bg: Vec<Voxel>,
        }
        let clicks: Vec<Voxels> = self
            .labels()
            .map(|label| Voxels {
                fg: label.of_kind(ClickKind::Fg).collect(),
                bg: label.of_kind(ClickKind::Bg).collect(),
            })
            .collect();
        let order: Vec<Vec<_>> = self.labels().map(|label| label.kinds().collect()).collect();
        let mut history = serializer.serialize_struct("ClickHistory", 2)?;
        history.serialize_field("clicks", &clicks)?;
        history.serialize_field("clicks_order", &order)?;
        history.end()
    }
}
