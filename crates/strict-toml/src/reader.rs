//! A serde deserializer over a [`Tree`](super::Tree) that knows where it stands.

use std::{cell::RefCell, collections::BTreeMap, fmt, str::FromStr};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::StrDeserializer,
};
use serde::forward_to_deserialize_any;

use super::{
    Finding,
    fault::{Fault, join},
    node::{Entry, Node},
    suggest,
};

/// Reads one value; unknown keys go to `unknown`, so that reading goes on and finds all of them.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    pub(super) entry: &'a Entry,
    pub(super) path: String,
    pub(super) unknown: &'a RefCell<Vec<Finding>>,
}

impl<'a> Reader<'a> {
    fn child(&self, entry: &'a Entry, path: String) -> Self {
        Self {
            entry,
            path,
            unknown: self.unknown,
        }
    }

    fn read<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Fault> {
        let (path, place) = (self.path.clone(), &self.entry.place);
        seed.deserialize(self)
            .map_err(|fault| fault.at(&path, place))
    }

    fn entries(
        self,
        table: &'a BTreeMap<String, Entry>,
        known: Option<&'static [&'static str]>,
    ) -> Entries<'a> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, entry) in table {
            match known {
                Some(known) if !known.contains(&key.as_str()) => {
                    self.unknown.borrow_mut().push(Finding {
                        place: entry.place.clone(),
                        message: format!(
                            "unknown key `{}`: {}",
                            join(&self.path, key),
                            suggest(key, known)
                        ),
                    })
                }
                _ => entries.push((key.as_str(), entry)),
            }
        }
        Entries {
            entries: entries.into_iter(),
            value: None,
            table: self,
        }
    }

    fn variant(&self, table: &'a BTreeMap<String, Entry>) -> Result<Variant<'a>, Fault> {
        let mut entries = table.iter();
        match (entries.next(), entries.next()) {
            (Some((name, entry)), None) => Ok(Variant {
                name,
                content: self.child(entry, join(&self.path, name)),
            }),
            _ => Err(Fault::custom(format_args!(
                "found {} keys where one belongs",
                table.len()
            ))),
        }
    }

    fn items<V: Visitor<'a>>(&self, items: &'a [Entry], visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Items {
            items: items.iter().enumerate(),
            array: self.clone(),
        })
    }

    /// A variable's or flag's text as the number or bool that is asked for.
    fn scalar<V: Visitor<'a>, T: FromStr>(
        self,
        what: &str,
        visitor: V,
        visit: impl FnOnce(V, T) -> Result<V::Value, Fault>,
    ) -> Result<V::Value, Fault> {
        let Node::Text(text, _) = &self.entry.node else {
            return self.deserialize_any(visitor);
        };
        match text.trim().parse() {
            Ok(value) => visit(visitor, value),
            Err(_) => Err(Fault::custom(format_args!(
                "found `{text}` where {what} belongs"
            ))),
        }
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<(&'a str, &'a Entry)>,
    value: Option<(&'a str, &'a Entry)>,
    table: Reader<'a>,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.value = self.entries.next();
        let Some((key, entry)) = self.value else {
            return Ok(None);
        };
        let reader: StrDeserializer<'_, Fault> = key.into_deserializer();
        seed.deserialize(reader)
            .map(Some)
            .map_err(|fault| fault.at(&self.table.path, &entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, entry) = self
            .value
            .take()
            .ok_or_else(|| Fault::custom("a value was asked for before its key"))?;
        self.table
            .child(entry, join(&self.table.path, key))
            .read(seed)
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Reader<'a>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Fault;
    type Variant = Reader<'a>;

    fn variant_seed<S: DeserializeSeed<'a>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Reader<'a>), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.content))
    }
}

impl<'a> VariantAccess<'a> for Reader<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Err(
            Fault::custom("takes no settings of its own: write it as a string")
                .at(&self.path, &self.entry.place),
        )
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Fault> {
        self.read(seed)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_struct("", fields, visitor)
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Entry>>,
    array: Reader<'a>,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'a>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((index, entry)) = self.items.next() else {
            return Ok(None);
        };
        self.array
            .child(entry, format!("{}[{index}]", self.array.path))
            .read(seed)
            .map(Some)
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.deserialize_i64(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.entry.node {
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Integer(value) => visitor.visit_i64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::String(value) | Node::Text(value, _) => visitor.visit_borrowed_str(value),
            Node::Array(items) => self.items(items, visitor),
            Node::Table(table) => visitor.visit_map(self.entries(table, None)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.entry.node {
            Node::Table(table) => visitor.visit_map(self.entries(table, Some(fields))),
            Node::Array(_) => Err(Fault::invalid_type(de::Unexpected::Seq, &Table)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.entry.node {
            Node::Text(_, parts) => self.items(parts, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.entry.node {
            Node::String(value) | Node::Text(value, _) => {
                let variant: StrDeserializer<'_, Fault> = value.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            Node::Table(table) => visitor.visit_enum(self.variant(table)?),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar("`true` or `false`", visitor, V::visit_bool)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar("a number", visitor, V::visit_f64)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar("a whole number", visitor, V::visit_i64)
    }

    integers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

/// How a type error names what was expected where serde itself has no words for it.
struct Table;

impl de::Expected for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }
}
