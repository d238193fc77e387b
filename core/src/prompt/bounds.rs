//! The member `boxes` of an image, as Python objects.

use segarena_kernels::BoundingBox;

use super::input::index;
use crate::npz::pickle::{ObjectArray, Value};

/// The member `boxes` for these.
pub fn boxes_member(boxes: &[BoundingBox]) -> ObjectArray {
    ObjectArray::from_items(boxes.iter().map(box_value).collect())
}

fn box_value(bounds: &BoundingBox) -> Value {
    let fields = [
        ("z_min", bounds.z_min),
        ("z_max", bounds.z_max),
        ("z_mid", bounds.z_mid),
        ("z_mid_x_min", bounds.z_mid_x_min),
        ("z_mid_y_min", bounds.z_mid_y_min),
        ("z_mid_x_max", bounds.z_mid_x_max),
        ("z_mid_y_max", bounds.z_mid_y_max),
    ];
    let item = |(key, bound): (&str, usize)| (Value::from(key), Value::Int(bound as i64));
    Value::Dict(fields.map(item).to_vec())
}

/// The boxes in a member `boxes`; `None` where an item of it is not one.
pub fn boxes_of(member: &ObjectArray) -> Option<Vec<BoundingBox>> {
    member.items().iter().map(read_box).collect()
}

/// One label's box; `None` where the value is not one.
fn read_box(value: &Value) -> Option<BoundingBox> {
    let bound = |key: &str| value.get(key).and_then(index);
    Some(BoundingBox {
        z_min: bound("z_min")?,
        z_max: bound("z_max")?,
        z_mid: bound("z_mid")?,
        z_mid_x_min: bound("z_mid_x_min")?,
        z_mid_y_min: bound("z_mid_y_min")?,
        z_mid_x_max: bound("z_mid_x_max")?,
        z_mid_y_max: bound("z_mid_y_max")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_read_as_it_was_written() {
        let mut labels = ndarray::Array3::<u8>::zeros((3, 3, 3));
        labels[[1, 2, 0]] = 4;
        let bounds = BoundingBox::around(labels.view(), 4).unwrap();
        assert_eq!(read_box(&box_value(&bounds)), Some(bounds));
    }
}
