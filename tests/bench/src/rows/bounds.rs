//! What bounds a row that misses its goal, by the bytes and logs of runs, and what should lift it. What should was not tried.

/// The words for a row.
pub(crate) fn of(id: &str) -> Option<&'static str> {
    Some(match id {
        "1" => {
            "Beyond M: a history cut into several packs makes several bundles, each less tight than one; a pack names each of \
             its authors with a signature (95 B); headers of QUIC, UDP and IP are a twentieth, acknowledgements a fortieth, \
             the handshake with two certificates some 5 kB"
        }
        "2" => {
            "Each edit is a pack of its own, some 190 B once packed against those before it: 72 B of signature and digest, 36 B \
             of the hash of the change before and a checksum, ids of mission and record. The floor has no signatures, and each \
             hash once. Packets, their acknowledgements and headers are a fifth. Leaving out of a change what the receiver can \
             reckon, its hash and checksum, would save a seventh"
        }
        "3b" => {
            "The greeting is 78 B each way. The rest is one handshake, since the link was gone for longer than it is waited for: \
             three datagrams that QUIC pads to 1,228 B, connection ids and acknowledgements. A link that comes back sooner \
             costs some 300 B. Less would take a session that outlives its connection"
        }
        "4" => {
            "A relay passes on packs that are whole and committed: each hop adds a pack's time, a loss recovered and a commit to \
             the round trip, some five seconds. Packs of ten kB, which a relay has soon, take 40 B a change where one bundle of all \
             takes 25. Larger packs take fewer bytes and longer at each hop; the two about cancel out"
        }
        "5b" => {
            "A first contact takes two round trips before the item, handshake and greeting, and the certificates of both sides \
             on the link"
        }
        "6" => {
            "A pack counts when its last packet has come: of forty packets at 30 % loss the unluckiest goes four times, and what \
             is behind it in its stream waits. Headers, signatures and what zstd cannot pack of a message take 8 %"
        }
        "7a" | "7b" => {
            "Handshake and greeting take a tenth of the five seconds, a quarter where one of their few packets is lost twice; \
             headers, signatures and what zstd cannot pack take an eighth; the packs that the cut goes through do not count. \
             Saying each packet of the beginning twice would save what its losses cost"
        }
        "9" => {
            "The window's target leaves a packet and a sixteenth of a round trip standing in the link's queue, and the item is \
             behind them and behind what the last round sent too much. Sending a little below the measured rate would empty it, at the \
             price of goodput"
        }
        "14" => {
            "A document of 5,000 changes takes some 2.2 MB in memory while it is open; the least used are closed beyond 160,000 \
             changes. All else takes 32 MB"
        }
        "15b" => {
            "Writers over HTTP on the same cores: a commit takes what has come while the last one was written and a moment \
             after, and requests come only as fast as the processor answers them"
        }
        "16" => {
            "The segment itself takes 5.3 to 5.7 B a fix; the rest are packets, acknowledgements and the newest position, which \
             goes by itself"
        }
        _ => return None,
    })
}
