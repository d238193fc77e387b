//! Pickles that are no plain arrays, and pickles that attack.

use segarena_core::npz::pickle::{ObjectArray, Value, read_array, write_array};

/// The message that a pickle is refused with.
fn refusal(pickle: &[u8]) -> String {
    read_array(pickle).unwrap_err().to_string()
}

const RECONSTRUCT: &[u8] = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\
    K\x00\x85C\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R\
    (K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb\x89";

/// A pickled array of one object, which `item` pushes.
fn array_of(item: &[u8]) -> Vec<u8> {
    let mut pickle = RECONSTRUCT.to_vec();
    pickle.extend(b"]");
    pickle.extend(item);
    pickle.extend(b"atb.");
    pickle
}

#[test]
fn plain_values_of_every_sort_are_read() {
    let read = read_array(&array_of(
        b"(K\x07M\x00\x02J\xfe\xff\xff\xff\x8a\x01\xffN\x88t",
    ))
    .unwrap();
    let numbers = [7, 512, -2, -1].map(Value::Int);
    let mut items = numbers.to_vec();
    items.extend([Value::None, Value::Bool(true)]);
    assert_eq!(read, ObjectArray::from_items(vec![Value::Tuple(items)]));
}

#[test]
fn a_pickle_that_calls_the_system_is_refused_by_name() {
    for call in [
        &b"cos\nsystem\nX\x04\x00\x00\x00true\x85R"[..],
        b"\x8c\x08builtins\x8c\x04eval\x93X\x01\x00\x00\x001\x85R",
        b"cnumpy.core.multiarray\nfromfile\n)R",
        b"cnumpy\nload\n)R",
    ] {
        let message = refusal(&array_of(call));
        assert!(
            message.contains("only numpy's array, dtype and scalar"),
            "{message}"
        );
    }
    assert!(refusal(&array_of(b"cos\nsystem\n)R")).contains("os.system"));
}

#[test]
fn opcodes_that_make_objects_are_refused() {
    for opcode in [
        b"i", b"o", b"P", b"Q", b"\x81", b"\x92", b"\x82", b"\x97", b"I",
    ] {
        let message = refusal(&array_of(opcode));
        assert!(message.contains("is not one we read"), "{message}");
    }
}

#[test]
fn values_that_multiply_by_sharing_are_refused_in_bounded_memory() {
    // Each list holds the one before ten times: 10^20 values if they were copied.
    let mut item = b"]q\x00".to_vec();
    for level in 0..20u8 {
        item.extend(b"0](");
        for _ in 0..10 {
            item.extend([b'h', level]);
        }
        item.extend([b'e', b'q', level + 1]);
    }
    let message = refusal(&array_of(&item));
    assert!(message.contains("too many values"), "{message}");
}

#[test]
fn a_text_that_multiplies_by_sharing_is_refused() {
    let mut item = b"X".to_vec();
    item.extend(1_000_000u32.to_le_bytes());
    item.extend([b'a'; 1_000_000]);
    item.extend(b"q\x000](");
    item.extend(b"h\x00".repeat(100));
    item.push(b'e');
    assert!(refusal(&array_of(&item)).contains("too large"));
}

#[test]
fn a_list_that_holds_itself_is_refused() {
    assert!(refusal(&array_of(b"]q\x00h\x00a")).contains("hold themselves"));
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let mut item = b"N".to_vec();
    item.extend([0x85].repeat(100_000));
    assert!(refusal(&array_of(&item)).contains("nested too deeply"));
    item.extend([0x85].repeat(1_000_000));
    assert!(refusal(&array_of(&item)).contains("too many values"));
}

#[test]
fn lengths_that_are_not_there_are_refused() {
    for item in [
        &b"B\xff\xff\xff\xff"[..],
        b"X\xff\xff\xff\x7f",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
    ] {
        let message = refusal(&array_of(item));
        assert!(message.contains("ends too early"), "{message}");
    }
}

#[test]
fn integers_beyond_64_bits_are_refused() {
    let nine = b"\x8a\x09\0\0\0\0\0\0\0\x80\0";
    assert!(refusal(&array_of(nine)).contains("does not fit 64 bits"));
    let negative = b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff";
    assert!(refusal(&array_of(negative)).contains("does not fit 64 bits"));
}

#[test]
fn damaged_pickles_say_so() {
    for (pickle, message) in [
        (&b""[..], "ends too early"),
        (b".", "stack runs out"),
        (b"\x80\x03N.", "holds no array"),
        (b"\x80\x03]K\x01a.", "holds no array"),
        (b"\x80\x00N.", "protocol 0"),
        (b"\x80\x03(.", "stack runs out"),
        (b"\x80\x03e.", "stack runs out"),
        (b"\x80\x03h\x05.", "never memoized"),
        (b"\x80\x03Nr\xff\xff\xff\x7f.", "memo"),
        (b"\x80\x03Nb.", "stack runs out"),
        (b"\x80\x03NNb.", "state"),
        (b"\x80\x03cnumpy\nndarray\n)R.", "ndarray"),
        (b"\x80\x03cnumpy", "does not end"),
    ] {
        let said = refusal(pickle);
        assert!(said.contains(message), "{said} for {pickle:?}");
    }
}

#[test]
fn an_array_with_fewer_objects_than_its_shape_is_refused() {
    let mut pickle = RECONSTRUCT.to_vec();
    pickle.extend(b"]tb.");
    assert!(refusal(&pickle).contains("not as many objects"));
}

#[test]
fn values_nested_too_deeply_are_not_written() {
    let mut value = Value::None;
    for _ in 0..100 {
        value = Value::List(vec![value]);
    }
    let error = write_array(&ObjectArray::from_items(vec![value])).unwrap_err();
    assert!(error.to_string().contains("nested too deeply"));
}
