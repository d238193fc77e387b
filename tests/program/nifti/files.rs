//! NIfTI files made byte by byte, so that what is read is held against the format and not against
//! the program's own writer.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The voxels of a file, as they are stored.
pub enum Voxels {
    U8(Vec<u8>),
    I16(Vec<i16>),
    F32(Vec<f32>),
}

/// A NIfTI-1 file: 1 × 1 × 3 mm, the first voxel at (10, 20, 30), axes LAS.
pub struct File {
    pub shape: [usize; 3],
    pub voxels: Voxels,
    pub origin: f32,
    pub scaling: (f32, f32),
}

impl File {
    /// A file of this shape (z, y, x) with a value for each `[z, y, x]`.
    pub fn bytes(shape: [usize; 3], value: impl Fn([usize; 3]) -> u8) -> Self {
        Self::new(shape, Voxels::U8(each(shape, value)))
    }

    /// The same of 16-bit integers, as scanners write.
    pub fn shorts(shape: [usize; 3], value: impl Fn([usize; 3]) -> i16) -> Self {
        Self::new(shape, Voxels::I16(each(shape, value)))
    }

    /// The same of floats.
    pub fn floats(shape: [usize; 3], value: impl Fn([usize; 3]) -> f32) -> Self {
        Self::new(shape, Voxels::F32(each(shape, value)))
    }

    fn new(shape: [usize; 3], voxels: Voxels) -> Self {
        Self {
            shape,
            voxels,
            origin: 10.0,
            scaling: (0.0, 0.0),
        }
    }

    /// Elsewhere along x.
    pub fn at(self, origin: f32) -> Self {
        Self { origin, ..self }
    }

    /// With stored numbers that stand for others.
    pub fn scaled(self, slope: f32, inter: f32) -> Self {
        Self {
            scaling: (slope, inter),
            ..self
        }
    }

    /// Writes it, compressed where the name ends in `.gz`.
    pub fn write(self, path: &Path) {
        let content = self.content();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.extension().is_some_and(|end| end == "gz") {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&content).unwrap();
            fs::write(path, encoder.finish().unwrap()).unwrap();
        } else {
            fs::write(path, content).unwrap();
        }
    }

    fn content(self) -> Vec<u8> {
        let (code, bytes) = match self.voxels {
            Voxels::U8(voxels) => (2i16, voxels),
            Voxels::I16(voxels) => (4, voxels.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Voxels::F32(voxels) => (16, voxels.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        let mut header = vec![0u8; 352];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &348i32.to_le_bytes());
        let [z, y, x] = self.shape;
        for (axis, length) in [3, x, y, z, 1, 1, 1, 1].into_iter().enumerate() {
            put(40 + 2 * axis, &(length as i16).to_le_bytes());
        }
        put(70, &code.to_le_bytes());
        for (axis, size) in [1f32, 1.0, 1.0, 3.0].into_iter().enumerate() {
            put(76 + 4 * axis, &size.to_le_bytes());
        }
        put(108, &352f32.to_le_bytes());
        put(112, &self.scaling.0.to_le_bytes());
        put(116, &self.scaling.1.to_le_bytes());
        put(254, &1i16.to_le_bytes());
        let rows = [
            [-1f32, 0.0, 0.0, self.origin],
            [0.0, 1.0, 0.0, 20.0],
            [0.0, 0.0, 3.0, 30.0],
        ];
        for (index, number) in rows.into_iter().flatten().enumerate() {
            put(280 + 4 * index, &number.to_le_bytes());
        }
        put(344, b"n+1\0");
        header.extend(bytes);
        header
    }
}

fn each<T>([depth, height, width]: [usize; 3], value: impl Fn([usize; 3]) -> T) -> Vec<T> {
    let mut values = Vec::with_capacity(depth * height * width);
    for z in 0..depth {
        for y in 0..height {
            for x in 0..width {
                values.push(value([z, y, x]));
            }
        }
    }
    values
}

/// The shape of the cases here.
pub const SHAPE: [usize; 3] = [12, 24, 28];

/// A ball with a smaller one in it.
pub fn balls([z, y, x]: [usize; 3]) -> u8 {
    let off = |a: usize, b: f64, scale: f64| ((a as f64 - b) * scale).powi(2);
    let squared = off(z, 6.0, 2.0) + off(y, 12.0, 1.0) + off(x, 14.0, 1.0);
    match squared {
        s if s < 16.0 => 2,
        s if s < 81.0 => 1,
        _ => 0,
    }
}

/// An image and its labels as nnU-Net names them.
pub fn write_case(folder: &Path, case: &str) {
    let image = File::shorts(SHAPE, |at| {
        i16::from(balls(at)) * 60 - 50 + (at[2] % 5) as i16
    });
    image.write(&folder.join(format!("imagesTr/{case}_0000.nii.gz")));
    File::bytes(SHAPE, balls).write(&folder.join(format!("labelsTr/{case}.nii.gz")));
}
