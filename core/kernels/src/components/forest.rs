//! Disjoint sets.

/// Disjoint sets of numbered things; a set's root is its smallest member.
#[derive(Default)]
pub(super) struct Forest {
    /// Never greater than the thing itself.
    parents: Vec<u32>,
}

impl Forest {
    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }

    /// Adds a thing, a set of its own, with the next number.
    pub(super) fn add(&mut self) {
        self.parents.push(self.parents.len() as u32);
    }

    /// Adds the things of another forest, whose numbers go on after those here.
    pub(super) fn append(&mut self, other: &Self) {
        let first = self.parents.len() as u32;
        self.parents
            .extend(other.parents.iter().map(|parent| parent + first));
    }

    fn root(&mut self, of: u32) -> u32 {
        let mut at = of;
        loop {
            let parent = self.parents[at as usize];
            if parent == at {
                return at;
            }
            let above = self.parents[parent as usize];
            self.parents[at as usize] = above;
            at = above;
        }
    }

    /// Makes one set of those that two things are in.
    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a < b {
            self.parents[b as usize] = a;
        } else {
            self.parents[a as usize] = b;
        }
    }

    /// The root of every thing.
    pub(super) fn into_roots(mut self) -> Vec<u32> {
        // Parents come before their children, so each finds its parent's root in place.
        for thing in 0..self.parents.len() {
            self.parents[thing] = self.parents[self.parents[thing] as usize];
        }
        self.parents
    }
}
