//! A client of a NATS server, as far as the bench needs one: one request, or a file of messages published.
//!
//! `ADDRESS request SUBJECT JSON` prints the answer. `ADDRESS publish SUBJECT FILE` publishes every message of the file
//! (each after its length, four bytes, little-endian) and ends when the server has stored all.
//! Protocol: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const INBOX: &str = "_INBOX.bench";
/// Messages published and not yet stored.
const WINDOW: usize = 256;

struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let writer = TcpStream::connect(address)?;
        writer.set_read_timeout(Some(Duration::from_secs(20)))?;
        writer.set_nodelay(true)?;
        let mut client = Self { reader: BufReader::new(writer.try_clone()?), writer };
        client.writer.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        client.writer.write_all(format!("SUB {INBOX} 1\r\n").as_bytes())?;
        Ok(client)
    }

    fn publish(&mut self, subject: &str, payload: &[u8]) -> Result<()> {
        self.writer.write_all(format!("PUB {subject} {INBOX} {}\r\n", payload.len()).as_bytes())?;
        self.writer.write_all(payload)?;
        Ok(self.writer.write_all(b"\r\n")?)
    }

    /// The next message to our inbox.
    fn answer(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.reader.read_line(&mut line)? > 0, "the server hung up");
            if line.starts_with("PING") {
                self.writer.write_all(b"PONG\r\n")?;
            } else if line.starts_with("-ERR") {
                bail!("the server says {}", line.trim());
            } else if line.starts_with("MSG") || line.starts_with("HMSG") {
                let length = line.split_whitespace().last().context("a length")?.parse::<usize>()?;
                let mut payload = vec![0; length + 2];
                self.reader.read_exact(&mut payload)?;
                return Ok(String::from_utf8_lossy(&payload).trim().to_owned());
            }
        }
    }
}

fn messages(path: &str) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path)?;
    let (mut rest, mut out) = (bytes.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (message, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).context("a cut file")?;
        out.push(message.to_vec());
        rest = after;
    }
    Ok(out)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, word, subject, last] = &args[..] else {
        bail!("give ADDRESS, request or publish, SUBJECT, JSON or FILE")
    };
    let mut client = Client::connect(address)?;
    match word.as_str() {
        "request" => {
            client.publish(subject, last.as_bytes())?;
            println!("{}", client.answer()?);
        }
        "publish" => {
            let messages = messages(last)?;
            for (at, message) in messages.iter().enumerate() {
                client.publish(subject, message)?;
                if at >= WINDOW {
                    client.answer()?;
                }
            }
            for _ in 0..messages.len().min(WINDOW) {
                client.answer()?;
            }
            println!("{}", messages.len());
        }
        _ => bail!("{word} is neither request nor publish"),
    }
    Ok(())
}
