//! Writer and reader agree, on whatever is written.

use std::ffi::OsStr;
use std::io::Cursor;
use std::sync::Arc;

use ndarray::{Array1, Array3, ArrayD};
use proptest::prelude::*;
use segarena_core::npz::pickle::{ObjectArray, Value, read_array, write_array};
use segarena_core::npz::{
    Folder, NpzWriter, SpareVolume, Writable, read_prediction_bytes, read_prediction_reusing,
};
use segarena_core::volume::LabelKeys;

use super::craft;

fn npz(write: impl FnOnce(&mut NpzWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    write(&mut writer);
    writer.finish().unwrap().into_inner()
}

fn volumes() -> impl Strategy<Value = Array3<i64>> {
    [1usize..6, 1usize..6, 1usize..6].prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        prop::collection::vec(-3i64..400, count)
            .prop_map(move |values| Array3::from_shape_vec(shape, values).unwrap())
    })
}

/// Labels such as a case may have, some of them beyond a byte.
fn labels() -> impl Strategy<Value = LabelKeys> {
    prop::collection::btree_set(prop_oneof![1i64..8, -2i64..0, 250i64..400], 1..6)
        .prop_map(|labels| LabelKeys::new(labels.into_iter().collect()).unwrap())
}

/// Reads `volume` written as `T` and compares with the definition, voxel by voxel.
fn reads_back<T: Writable + PartialEq + std::fmt::Debug>(
    volume: &Array3<i64>,
    keys: &LabelKeys,
    convert: impl Fn(i64) -> T,
    exact: impl Fn(T) -> Option<i64>,
    low_byte: impl Fn(T) -> u8,
) {
    let typed = volume.mapv(&convert);
    let (depth, height, width) = volume.dim();
    let shape = [depth, height, width];
    let bytes = npz(|writer| writer.array("segs", typed.view()).unwrap());
    let read = read_prediction_bytes(bytes, shape, keys).unwrap();
    let labels: Vec<u8> = keys.iter().map(|(_, key)| key).collect();
    let key = |byte: u8| if labels.contains(&byte) { byte } else { 0 };
    for (at, &value) in typed.indexed_iter() {
        assert_eq!(read.cast[at], low_byte(value), "{at:?}");
        assert_eq!(
            key(read.scored[at]),
            exact(value).map_or(0, |v| keys.key_of(v)),
            "{at:?}"
        );
        assert_eq!(
            key(read.clicked[at]),
            keys.key_of(i64::from(low_byte(value))),
            "{at:?}"
        );
    }
}

proptest! {
    #[test]
    fn predictions_of_every_type_read_back_as_defined(volume in volumes(), keys in labels()) {
        macro_rules! integers {
            ($($type:ty),*) => {$(
                reads_back(&volume, &keys, |v| v as $type, |v| i64::try_from(v).ok(), |v| v as u8);
            )*};
        }
        integers!(u8, u16, u32, u64, i8, i16, i32, i64);
        macro_rules! floats {
            ($($type:ty),*) => {$(
                reads_back(
                    &volume,
                    &keys,
                    |v| v as $type / 2.0,
                    |v| (v.fract() == 0.0).then_some(v as i64),
                    |v| v as i32 as u8,
                );
            )*};
        }
        floats!(f32, f64);
        reads_back(&volume, &keys, |v| v > 1, |v| Some(i64::from(v)), u8::from);
    }

    #[test]
    fn fortran_order_and_byte_order_do_not_change_what_is_read(
        volume in volumes(),
        keys in labels(),
    ) {
        let (depth, height, width) = volume.dim();
        let shape = [depth, height, width];
        let plain = npz(|writer| writer.array("segs", volume.view()).unwrap());
        let plain = read_prediction_bytes(plain, shape, &keys).unwrap();
        let elements: Vec<u8> =
            volume.t().iter().flat_map(|value| value.to_be_bytes()).collect();
        let header = format!(
            "{{'descr': '>i8', 'fortran_order': True, 'shape': ({depth}, {height}, {width})}}"
        );
        let member = craft::npy(&header, &elements);
        for entry in [craft::Entry::stored, craft::Entry::deflated] {
            let other = craft::zip(&[entry("segs.npy", &member)]);
            let other = read_prediction_bytes(other, shape, &keys).unwrap();
            prop_assert_eq!(&plain.cast, &other.cast);
            prop_assert_eq!(&plain.scored, &other.scored);
            prop_assert_eq!(&plain.clicked, &other.clicked);
            prop_assert_eq!(plain.remarks.is_empty(), other.remarks.is_empty());
        }
    }

    #[test]
    fn pickled_values_read_back_as_they_were(values in prop::collection::vec(values(), 0..6)) {
        let array = ObjectArray::from_items(values);
        let pickle = write_array(&array).unwrap();
        prop_assert_eq!(read_array(&pickle).unwrap(), array);
    }

    #[test]
    fn a_changed_byte_of_a_pickle_never_panics(
        values in prop::collection::vec(values(), 1..4),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut pickle = write_array(&ObjectArray::from_items(values)).unwrap();
        let at = at.index(pickle.len());
        pickle[at] = byte;
        let _ = read_array(&pickle);
    }

    #[test]
    fn a_changed_byte_of_a_prediction_is_harmless(
        volume in volumes(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let keys = LabelKeys::new(vec![1, 2]).unwrap();
        let (depth, height, width) = volume.dim();
        let mut bytes = npz(|writer| writer.array("segs", volume.view()).unwrap());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = read_prediction_bytes(bytes, [depth, height, width], &keys) {
            // What passes the CRC is what was written.
            prop_assert_eq!(&*read.cast, &volume.mapv(|value| value as u8));
        }
    }
}

/// Python values, three levels deep.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-500i64..500).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("equal to itself", |f| !f.is_nan())
            .prop_map(Value::Float),
        ".{0,12}".prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Dict),
        ]
    })
}

#[test]
fn equal_content_is_written_as_equal_bytes() {
    let write = || {
        npz(|writer| {
            writer
                .array("a", Array1::from_vec(vec![1.5f64, 2.5]).view())
                .unwrap();
            writer
                .array("b", ArrayD::<u8>::zeros(vec![2, 3, 4, 5]).view())
                .unwrap();
            writer
                .objects("c", &ObjectArray::from_items(vec![Value::None]))
                .unwrap();
        })
    };
    assert_eq!(write(), write());
}

#[test]
fn a_prediction_read_into_anothers_memory_is_as_if_read_into_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let keys = LabelKeys::new(vec![1, 300]).unwrap();
    let mut spare = SpareVolume::default();
    let mut held = Vec::new();
    let volumes = [
        Array3::from_elem((2, 3, 4), 7i64),
        Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (z + 300 * (y % 2) + x) as i64),
        Array3::from_elem((4, 3, 2), 1),
        Array3::from_elem((1, 2, 2), 300),
        Array3::from_elem((1, 2, 2), 2),
    ];
    for volume in &volumes {
        let (depth, height, width) = volume.dim();
        let shape = [depth, height, width];
        let bytes = npz(|writer| writer.array("segs", volume.view()).unwrap());
        std::fs::write(folder.path().join("case.npz"), &bytes).unwrap();
        let fresh = read_prediction_bytes(bytes, shape, &keys).unwrap();
        let handle = Folder::open(folder.path()).unwrap();
        let name = OsStr::new("case.npz");
        let read = read_prediction_reusing(&handle, name, shape, &keys, &mut spare).unwrap();
        assert_eq!(
            (&read.cast, &read.scored, &read.clicked, &read.remarks),
            (&fresh.cast, &fresh.scored, &fresh.clicked, &fresh.remarks)
        );
        // What somebody still holds is not written over.
        held.push((Arc::clone(&read.scored), fresh.scored));
        spare.keep(read);
    }
    held.iter()
        .for_each(|(held, expected)| assert_eq!(held, expected));
}
