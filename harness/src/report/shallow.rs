//! JSON that is indented where people look, and one line for each thing of which there are many.
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::ReportError;

/// Objects and lists this deep are broken into lines: a report, its parts, and their lists. What is deeper is one line each: with
/// indentation, a report of 200 pods is three times as large.
const DEPTH: usize = 3;

#[derive(Default)]
struct Shallow {
    depth: usize,
    /// Whether the object or list that is written has something in it.
    filled: bool,
}

impl Shallow {
    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, sign: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(sign)
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, sign: &[u8]) -> io::Result<()> {
        let broken = self.depth <= DEPTH && self.filled;
        self.depth -= 1;
        if broken {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(sign)
    }

    fn next<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match self.depth <= DEPTH {
            true => self.line(writer),
            false if first => Ok(()),
            false => writer.write_all(b" "),
        }
    }

    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Shallow {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

/// One JSON object, with a newline at its end.
///
/// # Errors
/// [`ReportError::Json`].
pub(super) fn render(value: &impl Serialize) -> Result<String, ReportError> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut bytes,
        Shallow::default(),
    ))?;
    bytes.push(b'\n');
    // Serializers write text only.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::render;

    #[test]
    fn what_is_deep_is_one_line() {
        let value = json!({
            "empty": {}, "none": [], "list": [1, [2, {"a": [3, 4]}]],
            "parts": {"many": [{"a": 1, "b": [1, 2]}, {"a": "x\"y"}]},
        });
        let text = render(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(
            text,
            "{\n  \"empty\": {},\n  \"list\": [\n    1,\n    [\n      2,\n      {\"a\": [3, 4]}\n    ]\n  ],\n  \"none\": [],\n  \"parts\": {\n    \"many\": [\n      {\"a\": 1, \"b\": [1, 2]},\n      {\"a\": \"x\\\"y\"}\n    ]\n  }\n}\n"
        );
    }
}
