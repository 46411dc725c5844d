//! The bytes of every frame of version 1, once said and never to change: nodes of all ages meet in the field.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them when it updates the bytes")]

use expect_test::{Expect, expect};
use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::entry::{ShortDigest, Signature};
use holdfast_domain::frame::{
    Ack, Ask, BlobAsk, BlobHave, BlobPart, Bye, Flow, Frame, FrameV1, Greeting, Heads, Pack, PackForm, PackRange,
    Partial, Rest, capability,
};
use holdfast_domain::frontier::{Fingerprint, Head, Mark};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{AuthorId, Credential, DeviceCredential, DeviceRole, OrgId, PublicKey};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

/// Compares the frame's bytes, 32 to a line, and that they read back as the same frame.
fn check(frame: FrameV1, expected: &Expect) {
    let frame = Frame::V1(frame);
    let bytes = frame.encode();
    assert_eq!(Frame::decode(&bytes).as_ref(), Ok(&frame));
    let lines: Vec<String> = bytes
        .chunks(32)
        .map(|line| line.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

fn mission() -> Scope {
    Scope::Mission(MissionId::from_bytes([0x44; 16]))
}

fn credential(role: DeviceRole) -> Credential {
    Credential {
        device: DeviceCredential {
            org: OrgId([0x11; 16]),
            key: PublicKey([0x22; 32]),
            name: "engine-7".to_owned(),
            role,
            issued_ms: 1_700_000_000_000,
            signature: Signature([0x33; 64]),
        },
        epoch: 300,
    }
}

fn head(seq: u64) -> Head {
    Head { seq, digest: ShortDigest([0x66; 8]) }
}

#[test]
fn a_greeting() {
    let greeting = Greeting {
        org: OrgId([0x11; 16]),
        author: AuthorId([0x77; 16]),
        credential: Some(credential(DeviceRole::Node)),
        capabilities: capability::BUNDLE,
        wall_ms: 1_700_000_000_001,
        whole: Fingerprint([0x57; 16]),
        latest: Mark([0x58; 8]),
        base: None,
        scopes: vec![(Scope::Org, Fingerprint([0x55; 16])), (mission(), Fingerprint([0x56; 16]))],
        partials: Vec::new(),
        flow: Flow::Eager,
    };
    check(
        FrameV1::Greeting(greeting),
        &expect![[r#"
            0000111111111111111111111111111111117777777777777777777777777777
            7777011111111111111111111111111111111122222222222222222222222222
            2222222222222222222222222222222222222208656e67696e652d370080d095
            ffbc313333333333333333333333333333333333333333333333333333333333
            3333333333333333333333333333333333333333333333333333333333333333
            333333ac020181d095ffbc315757575757575757575757575757575758585858
            5858585800020055555555555555555555555555555555011044444444444444
            444444444444444444565656565656565656565656565656560000"#]],
    );
}

#[test]
fn a_greeting_to_a_peer_that_remembers() {
    let partial = Partial { bytes: 70_000, hash: ShortDigest([0x59; 8]) };
    let greeting = Greeting {
        org: OrgId([0x11; 16]),
        author: AuthorId([0x77; 16]),
        credential: None,
        capabilities: capability::BUNDLE,
        wall_ms: 1_700_000_000_001,
        whole: Fingerprint([0x57; 16]),
        latest: Mark([0x58; 8]),
        base: Some(Mark([0x5a; 8])),
        scopes: Vec::new(),
        partials: vec![partial],
        flow: Flow::Lazy,
    };
    check(
        FrameV1::Greeting(greeting),
        &expect![[r#"
        0000111111111111111111111111111111117777777777777777777777777777
        7777000181d095ffbc3157575757575757575757575757575757585858585858
        5858015a5a5a5a5a5a5a5a0001f0a204595959595959595901"#]],
    );
    check(
        FrameV1::Rest(Rest { partial, bytes: b"the rest".to_vec() }),
        &expect!["0008f0a2045959595959595959087468652072657374"],
    );
    check(FrameV1::Again, &expect!["0006"]);
    check(FrameV1::Flow(Flow::Lazy), &expect!["000701"]);
}

#[test]
fn heads() {
    let heads = Heads {
        scope: mission(),
        heads: vec![
            (StreamKind::Board, vec![(AuthorId([0x77; 16]), head(1)), (AuthorId([0x78; 16]), head(300))]),
            (StreamKind::Latest, vec![(AuthorId([0x77; 16]), head(u64::MAX))]),
        ],
        whole: Some(Mark([0x57; 8])),
    };
    check(
        FrameV1::Heads(heads),
        &expect![[r#"
            0001011044444444444444444444444444444444020002777777777777777777
            7777777777777701666666666666666678787878787878787878787878787878
            ac026666666666666666050177777777777777777777777777777777ffffffff
            ffffffffff016666666666666666015757575757575757"#]],
    );
}

#[test]
fn a_pack_of_a_chain() {
    let range = PackRange {
        author: AuthorId([0x77; 16]),
        first: 299,
        count: 2,
        skips: Vec::new(),
        base: ShortDigest([0x66; 8]),
        signatures: vec![(0, Signature([0x88; 64])), (1, Signature([0x89; 64]))],
    };
    let pack = Pack {
        id: 1,
        stream: StreamId::new(mission(), StreamKind::Board),
        credentials: vec![credential(DeviceRole::Hub)],
        ranges: vec![range],
        form: PackForm::Bundle,
        payload: b"bodies".to_vec(),
    };
    check(
        FrameV1::Pack(pack),
        &expect![[r#"
        0002010110444444444444444444444444444444440001111111111111111111
        1111111111111122222222222222222222222222222222222222222222222222
        2222222222222208656e67696e652d370180d095ffbc31333333333333333333
        3333333333333333333333333333333333333333333333333333333333333333
        3333333333333333333333333333333333333333333333ac0201777777777777
        77777777777777777777ab020200666666666666666602008888888888888888
        8888888888888888888888888888888888888888888888888888888888888888
        8888888888888888888888888888888888888888888888880189898989898989
        8989898989898989898989898989898989898989898989898989898989898989
        898989898989898989898989898989898989898989898989890206626f646965
        73"#]],
    );
}

#[test]
fn a_pack_of_registers() {
    let range = PackRange {
        author: AuthorId([0x77; 16]),
        first: 5,
        count: 2,
        skips: vec![3],
        base: ShortDigest([0; 8]),
        signatures: vec![(0, Signature([0x88; 64])), (1, Signature([0x89; 64]))],
    };
    let pack = Pack {
        id: 70_000,
        stream: StreamId::new(mission(), StreamKind::Latest),
        credentials: Vec::new(),
        ranges: vec![range],
        form: PackForm::RawZstd,
        payload: Vec::new(),
    };
    check(
        FrameV1::Pack(pack),
        &expect![[r#"
        0002f0a204011044444444444444444444444444444444050001777777777777
        7777777777777777777705020103000000000000000002008888888888888888
        8888888888888888888888888888888888888888888888888888888888888888
        8888888888888888888888888888888888888888888888880189898989898989
        8989898989898989898989898989898989898989898989898989898989898989
        898989898989898989898989898989898989898989898989890100"#]],
    );
}

#[test]
fn an_acknowledgement() {
    check(
        FrameV1::Ack(Ack { pack: 1, others: vec![(2, Some(head(300))), (3, None)] }),
        &expect!["000301020201ac0266666666666666660300"],
    );
}

#[test]
fn a_request() {
    let ask = Ask { stream: StreamId::new(Scope::Org, StreamKind::Control), author: AuthorId([0x77; 16]), first: 300 };
    check(FrameV1::Ask(ask), &expect!["0004000277777777777777777777777777777777ac02"]);
}

#[test]
fn every_farewell() {
    let byes = [
        Bye::Leaving,
        Bye::OtherOrg,
        Bye::BadCredential,
        Bye::BadFrame,
        Bye::BadSignature,
        Bye::Duplicate,
        Bye::Slow,
        Bye::Paused,
    ];
    let bytes: Vec<u8> = byes.into_iter().flat_map(|bye| Frame::V1(FrameV1::Bye(bye)).encode()).collect();
    let text = bytes.chunks(3).map(|bye| format!("{bye:02x?}")).collect::<Vec<_>>().join(" ");
    expect!["[00, 05, 00] [00, 05, 01] [00, 05, 02] [00, 05, 03] [00, 05, 04] [00, 05, 05] [00, 05, 06] [00, 05, 07]"]
        .assert_eq(&text);
}

#[test]
fn every_kind_and_form_by_its_number() {
    let kinds = StreamKind::ALL.map(|kind| {
        let ask = Ask { stream: StreamId::new(Scope::Org, kind), author: AuthorId([0; 16]), first: 1 };
        Frame::V1(FrameV1::Ask(ask)).encode()[3]
    });
    let forms = [PackForm::Raw, PackForm::RawZstd, PackForm::Bundle].map(|form| {
        let stream = StreamId::new(Scope::Org, StreamKind::Board);
        let pack = Pack { id: 0, stream, credentials: Vec::new(), ranges: Vec::new(), form, payload: Vec::new() };
        Frame::V1(FrameV1::Pack(pack)).encode()[7]
    });
    expect!["[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] [0, 1, 2]"].assert_eq(&format!("{kinds:?} {forms:?}"));
}

#[test]
fn words_about_blobs() {
    let blob = BlobKey { id: BlobId([0x60; 32]), bytes: 900_000 };
    check(
        FrameV1::BlobHave(BlobHave { blob, groups: Ranges::below(3).or(&Ranges::span(40, 55)) }),
        &expect![[r#"
        0009606060606060606060606060606060606060606060606060606060606060
        6060a0f7360200032837"#]],
    );
    check(
        FrameV1::BlobAsk(BlobAsk { blob, groups: Ranges::none() }),
        &expect![[r#"
        000a606060606060606060606060606060606060606060606060606060606060
        6060a0f73600"#]],
    );
    check(
        FrameV1::BlobPart(BlobPart { id: 300, blob, first: 40, count: 2, slice: vec![1, 2, 3] }),
        &expect![[r#"
        000bac0260606060606060606060606060606060606060606060606060606060
        60606060a0f736280203010203"#]],
    );
}
