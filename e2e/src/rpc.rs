//! JSON-RPC over plain HTTP: as much of it as a test needs.
//!
//! One request, one connection, so that nothing outlives a node that is killed. Must not know: methods.
//! Source: RFC 9112 (chunked bodies included), JSON-RPC 2.0.

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};
use std::{
	fmt,
	io::{Read, Write},
	net::{Ipv4Addr, SocketAddr, TcpStream},
	time::Duration,
};

/// Time for a connection to open.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for an answer: a replay computes for a while.
const ANSWER: Duration = Duration::from_secs(120);

/// The RPC of one node of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
	port: u16,
}

/// The node's own refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
	/// The method.
	pub method: String,
	/// Code of the JSON-RPC error.
	pub code: i64,
	/// Its message, with its data where there is some.
	pub message: String,
}

impl fmt::Display for Refused {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let Self {
			method,
			code,
			message,
		} = self;
		write!(f, "{method}: error {code}: {message}")
	}
}

impl std::error::Error for Refused {}

impl Rpc {
	/// The RPC at this port.
	pub fn at(port: u16) -> Self {
		Self { port }
	}

	/// Calls a method with an array of parameters.
	///
	/// # Errors
	///
	/// The node cannot be reached or does not answer with JSON-RPC; or it refuses, which is [`Refused`].
	pub fn call(&self, method: &str, parameters: Value) -> Result<Value> {
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
		let body = self
			.post(request.to_string().as_bytes())
			.with_context(|| format!("{method} at port {}", self.port))?;
		let mut answer: Value = serde_json::from_slice(&body)
			.with_context(|| format!("{method}: {}", String::from_utf8_lossy(&body)))?;
		if let Some(error) = answer.get("error") {
			let data = error
				.get("data")
				.map_or_else(String::new, |data| format!(" ({data})"));
			let message = error["message"].as_str().unwrap_or_default();
			return Err(Refused {
				method: method.to_owned(),
				code: error["code"].as_i64().unwrap_or_default(),
				message: format!("{message}{data}"),
			}
			.into());
		}
		Ok(answer["result"].take())
	}

	fn post(&self, body: &[u8]) -> Result<Vec<u8>> {
		let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
		let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
		stream.set_read_timeout(Some(ANSWER))?;
		stream.set_write_timeout(Some(ANSWER))?;
		let head = format!(
			"POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
			 Content-Length: {}\r\nConnection: close\r\n\r\n",
			self.port,
			body.len()
		);
		stream.write_all(head.as_bytes())?;
		stream.write_all(body)?;
		let mut answer = Vec::new();
		stream.read_to_end(&mut answer)?;
		parse(&answer)
	}
}

/// Body of an HTTP answer with status 200.
fn parse(answer: &[u8]) -> Result<Vec<u8>> {
	const END: &[u8] = b"\r\n\r\n";
	let split = answer
		.windows(END.len())
		.position(|window| window == END)
		.context("the answer has no end of head")?;
	let (head, body) = answer.split_at(split);
	let body = &body[END.len()..];
	let head = String::from_utf8_lossy(head);
	let mut lines = head.lines();
	let status = lines.next().unwrap_or_default();
	ensure!(
		status.split(' ').nth(1) == Some("200"),
		"{status}: {}",
		String::from_utf8_lossy(body)
	);
	let is_chunked = lines
		.filter_map(|line| line.split_once(':'))
		.any(|(name, value)| {
			name.eq_ignore_ascii_case("transfer-encoding") && value.trim() == "chunked"
		});
	if is_chunked {
		unchunk(body)
	} else {
		Ok(body.to_owned())
	}
}

fn unchunk(mut body: &[u8]) -> Result<Vec<u8>> {
	let mut whole = Vec::new();
	loop {
		let line = body
			.windows(2)
			.position(|window| window == b"\r\n")
			.context("a chunk without a size")?;
		let size = std::str::from_utf8(&body[..line])?;
		let size = size.split(';').next().unwrap_or_default().trim();
		let size = usize::from_str_radix(size, 16).context("a chunk's size")?;
		if size == 0 {
			return Ok(whole);
		}
		let (from, to) = (line + 2, line + 2 + size);
		if body.len() < to + 2 {
			bail!("the answer ends within a chunk");
		}
		whole.extend_from_slice(&body[from..to]);
		body = &body[to + 2..];
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reads_plain_and_chunked_bodies() {
		let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
		assert_eq!(parse(plain).unwrap(), b"{}");
		let chunked =
			b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n";
		assert_eq!(parse(chunked).unwrap(), b"{}");
	}

	#[test]
	fn broken_answers_are_errors() {
		for broken in [
			&b""[..],
			b"HTTP/1.1 200 OK\r\n",
			b"HTTP/1.1 403 Forbidden\r\n\r\nhost not allowed",
			b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}\r\n",
			b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
		] {
			assert!(
				parse(broken).is_err(),
				"{}",
				String::from_utf8_lossy(broken)
			);
		}
	}
}
