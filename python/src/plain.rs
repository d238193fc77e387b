//! Records as plain Python values: dictionaries, lists, strings and numbers.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use segarena_core::dialogue::Value;

/// A record as Python reads its JSON.
pub fn value<'py>(py: Python<'py>, record: &impl serde::Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(record).map_err(|e| PyValueError::new_err(e.to_string()))?;
    py.import("json")?.call_method1("loads", (text,))
}

/// A value of a prompt or of an image's member, from what Python gave.
///
/// # Errors
/// `TypeError` for what JSON cannot say, `ValueError` for a number that is no integer.
pub fn prompt_value(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let json = given.py().import("json")?;
    let text: String = json.call_method1("dumps", (given,))?.extract()?;
    let read = serde_json::from_str(&text).map_err(|e| PyValueError::new_err(e.to_string()))?;
    of_json(read)
}

fn of_json(value: serde_json::Value) -> PyResult<Value> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Value::None,
        Json::Bool(truth) => Value::Int(i64::from(truth)),
        Json::Number(number) => {
            Value::Int(number.as_i64().ok_or_else(|| {
                PyValueError::new_err(format!("{number} is no integer of 64 bits"))
            })?)
        }
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_json).collect::<PyResult<_>>()?),
        Json::Object(entries) => {
            let entry = |(key, value)| Ok((key, of_json(value)?));
            Value::Dict(entries.into_iter().map(entry).collect::<PyResult<_>>()?)
        }
    })
}
