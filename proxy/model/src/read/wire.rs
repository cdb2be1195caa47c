//! Protobuf's wire format, as far as it takes to find one field of a message without decoding the rest. Knows no message.

use bytes::Bytes;

/// The bytes end in the middle of a field, or are no protobuf at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is truncated or not protobuf")]
pub(crate) struct Truncated;

/// Takes the repeated message field `number` out: the message without it, and its values in order.
pub(crate) fn split(message: &Bytes, number: u32) -> Result<(Vec<u8>, Vec<Bytes>), Truncated> {
    let mut rest = Vec::new();
    let mut values = Vec::new();
    let mut fields = Fields { bytes: message, at: 0 };
    while let Some(field) = fields.next()? {
        match field.payload {
            Some((start, end)) if field.number == number => values.push(message.slice(start..end)),
            _ => rest.extend_from_slice(&message[field.start..fields.at]),
        }
    }
    Ok((rest, values))
}

/// The text field `number`, if the message says it; of several the last, as protobuf has it.
pub(crate) fn text(message: &[u8], number: u32) -> Result<Option<&str>, Truncated> {
    let mut found = None;
    let mut fields = Fields { bytes: message, at: 0 };
    while let Some(field) = fields.next()? {
        if let (true, Some((start, end))) = (field.number == number, field.payload) {
            found = Some(std::str::from_utf8(&message[start..end]).map_err(|_| Truncated)?);
        }
    }
    Ok(found)
}

struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
}

struct Field {
    number: u32,
    /// Where its key begins.
    start: usize,
    /// Where its bytes are, if it has a length.
    payload: Option<(usize, usize)>,
}

impl Fields<'_> {
    fn next(&mut self) -> Result<Option<Field>, Truncated> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Truncated)?;
        let payload = match key & 7 {
            0 => self.varint().map(|_| None)?,
            1 => self.skip(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Truncated)?;
                Some(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| None)?,
            // Groups are gone from protobuf 3.
            _ => return Err(Truncated),
        };
        Ok(Some(Field { number, start, payload }))
    }

    fn skip(&mut self, length: usize) -> Result<(usize, usize), Truncated> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Truncated)?;
        self.at = end;
        Ok((start, end))
    }

    fn varint(&mut self) -> Result<u64, Truncated> {
        let mut value = 0u64;
        // Ten groups of seven bits hold any 64.
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Truncated)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Truncated)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use forebay_proto::envoy::config::route::v3 as pb;

    #[test]
    fn takes_hosts_out_and_leaves_the_rest() {
        let host = |name: &str| pb::VirtualHost { name: name.to_owned(), ..Default::default() };
        let message = pb::RouteConfiguration {
            name: "r".to_owned(),
            virtual_hosts: vec![host("a"), host("b")],
            ignore_port_in_host_matching: true,
            ..Default::default()
        };
        let bytes = Bytes::from(message.encode_to_vec());
        let (rest, hosts) = split(&bytes, 2).unwrap();
        let rest = pb::RouteConfiguration::decode(rest.as_slice()).unwrap();
        assert_eq!(rest, pb::RouteConfiguration { virtual_hosts: Vec::new(), ..message });
        let names: Vec<_> = hosts.iter().map(|host| text(host, 1).unwrap()).collect();
        assert_eq!(names, [Some("a"), Some("b")]);
    }

    #[test]
    fn refuses_what_ends_early() {
        let bytes =
            Bytes::from(pb::VirtualHost { name: "abc".to_owned(), ..Default::default() }.encode_to_vec());
        for end in 1..bytes.len() {
            assert_eq!(split(&bytes.slice(..end), 2), Err(Truncated), "{end} bytes");
        }
        assert_eq!(text(&[0xff; 11], 1), Err(Truncated));
    }
}
