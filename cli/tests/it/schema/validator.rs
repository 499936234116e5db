//! As much of JSON Schema 2020-12 as the schemas use. A keyword that is not known here stops the test.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Map, Value};

pub(super) struct Validator<'s>(pub(super) &'s Value);

impl Validator<'_> {
    pub(super) fn accepts(&self, value: &Value) -> bool {
        self.holds(self.0, value)
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        match schema {
            Value::Bool(accepts) => *accepts,
            Value::Object(keywords) => {
                keywords.iter().all(|(keyword, of)| self.keyword(keywords, keyword, of, value))
            }
            other => panic!("no schema: {other}"),
        }
    }

    fn keyword(&self, schema: &Map<String, Value>, keyword: &str, of: &Value, value: &Value) -> bool {
        let each = |schemas: &Value| -> Vec<bool> {
            schemas.as_array().unwrap().iter().map(|schema| self.holds(schema, value)).collect()
        };
        match keyword {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                self.holds(self.0.pointer(of.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(), value)
            }
            "type" => is_type(of.as_str().unwrap(), value),
            "enum" => of.as_array().unwrap().contains(value),
            "const" => of == value,
            "anyOf" => each(of).contains(&true),
            "allOf" => !each(of).contains(&false),
            "oneOf" => each(of).iter().filter(|holds| **holds).count() == 1,
            "not" => !self.holds(of, value),
            "pattern" => {
                value.as_str().is_none_or(|text| Regex::new(of.as_str().unwrap()).unwrap().is_match(text))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= of.as_u64().unwrap())
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= of.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= of.as_f64().unwrap()),
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| self.holds(of, item))),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= of.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= of.as_u64().unwrap()),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len() == items.len()
            }),
            _ => value.as_object().is_none_or(|table| self.table(schema, keyword, of, table)),
        }
    }

    fn table(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        of: &Value,
        table: &Map<String, Value>,
    ) -> bool {
        let properties = schema.get("properties").and_then(Value::as_object);
        match keyword {
            "properties" => {
                let mut known = of.as_object().unwrap().iter();
                known.all(|(key, schema)| table.get(key).is_none_or(|value| self.holds(schema, value)))
            }
            "additionalProperties" => table.iter().all(|(key, value)| {
                properties.is_some_and(|known| known.contains_key(key)) || self.holds(of, value)
            }),
            "propertyNames" => table.keys().all(|key| self.holds(of, &Value::String(key.clone()))),
            "required" => of.as_array().unwrap().iter().all(|key| table.contains_key(key.as_str().unwrap())),
            unknown => panic!("the keyword `{unknown}` is not known here"),
        }
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // A float without a fraction is an integer too.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        unknown => panic!("no type: {unknown}"),
    }
}
