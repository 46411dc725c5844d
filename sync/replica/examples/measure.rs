//! measure
use holdfast_domain::{
    clock::Hlc, edit::Edit, entry::*, field::Change, id::*, identity::AuthorId, incident::*, mission::*, record::*,
    scope::*,
};
use holdfast_replica::replica::*;
use std::collections::BTreeMap;
use std::time::Instant;
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
        .collect::<Vec<_>>()
        .join(" ")
}
fn main() {
    let mission = MissionId::mint(1_700_000_000_000, [1; 10]);
    let board = StreamId::new(Scope::Mission(mission), StreamKind::Board);
    let author = AuthorId([7; 16]);
    let mut r = Replica::new();
    r.open(board, None, &[]).unwrap();
    let mut log: Vec<Entry> = vec![];
    let mut seqs: BTreeMap<AuthorId, u64> = BTreeMap::new();
    let mut draft = |r: &mut Replica, a: AuthorId, ms: u64, e: &[Edit], log: &mut Vec<Entry>| {
        let d = r.draft(&Context { author: a, hlc: Hlc::new(ms, 0), from: "x" }, e);
        for o in &d.outcomes {
            o.as_ref().unwrap();
        }
        for (stream, body) in d.bodies {
            let s = seqs.entry(a).or_default();
            *s += 1;
            log.push(Entry::next(EntryKey { stream, author: a, seq: *s }, None, body));
        }
    };
    draft(
        &mut r,
        author,
        1_700_000_000_000,
        &[Edit::MissionOpen(MissionNew { id: Some(mission), name: "m".into(), objective: String::new() })],
        &mut log,
    );
    let inc = |n: u64| {
        IncidentId::mint(1_700_000_000_000 + n * 30_000, {
            let h = [
                (n * 7919) as u8,
                (n >> 8) as u8,
                (n * 31) as u8,
                n as u8,
                (n * 131) as u8,
                (n * 17 >> 3) as u8,
                3,
                (n * 97) as u8,
                (n * 53) as u8,
                9,
            ];
            h
        })
    };
    println!("start {}", rss());
    let t = Instant::now();
    for g in 0..50u64 {
        let edits: Vec<Edit> = (0..200)
            .map(|i| {
                let n = g * 200 + i;
                Edit::IncidentOpen(
                    mission,
                    IncidentNew {
                        id: Some(inc(n)),
                        number: Some(format!("{}", 2_003_235 + n)),
                        kind: ["Structure Fire", "Medical Incident", "Alarms", "Traffic Collision"][(n % 4) as usize]
                            .into(),
                        priority: (n % 5) as u8 + 1,
                        address: format!("{} Block of MISSION ST", n % 3000),
                        area: format!("District {}", n % 11),
                        position: Some(
                            holdfast_domain::geography::LatLon::new(
                                37.7 + (n % 1000) as f64 * 1e-4,
                                -122.4 - (n % 777) as f64 * 1e-4,
                            )
                            .unwrap(),
                        ),
                        notes: String::new(),
                        opened_ms: Some(1_700_000_000_000 + n * 30_000),
                        status: None,
                    },
                )
            })
            .collect();
        draft(&mut r, author, 1_700_000_000_000 + g, &edits, &mut log);
    }
    println!(
        "10k incidents drafted in {:?}; {}; bodies {} B",
        t.elapsed(),
        rss(),
        log.iter().map(|e| e.body.len()).sum::<usize>()
    );
    let t = Instant::now();
    let s = r.snapshot(board).unwrap();
    println!("save {} B in {:?}", s.len(), t.elapsed());
    let t = Instant::now();
    let mut q = Replica::new();
    q.open(board, Some(&s), &[]).unwrap();
    println!("open from snapshot {:?} {}", t.elapsed(), rss());
    let t = Instant::now();
    let n = q.rows(board).len();
    println!("rows {n} {:?}", t.elapsed());
    let t = Instant::now();
    let mut m = Replica::new();
    m.open(board, None, &[]).unwrap();
    let p = m.merge(&log);
    println!("merge all 51 entries {:?} patches {}", t.elapsed(), p.patches.len());
    let t = Instant::now();
    let mut m = Replica::new();
    m.open(board, None, &log.iter().map(|e| e.body.clone()).collect::<Vec<_>>()).unwrap();
    println!("open from tail {:?}", t.elapsed());
    let t = Instant::now();
    draft(
        &mut q,
        AuthorId([8; 16]),
        1_700_000_100_000,
        &[Edit::IncidentChange(
            mission,
            inc(77),
            IncidentChange { notes: Change::Set("x".into()), ..Default::default() },
        )],
        &mut vec![],
    );
    println!("one edit on it {:?}", t.elapsed());
    let t = Instant::now();
    for i in 0..200u64 {
        draft(
            &mut q,
            AuthorId([8; 16]),
            1_700_000_100_000,
            &[Edit::IncidentChange(
                mission,
                inc(77 + i),
                IncidentChange { notes: Change::Set("y".into()), ..Default::default() },
            )],
            &mut vec![],
        );
    }
    println!("200 edits on it {:?}", t.elapsed());
    // long history: 12000 changes by 20 authors in 4 replicas, then 5700 missing
    let mut reps: Vec<Replica> = (0..4)
        .map(|_| {
            let mut x = Replica::new();
            x.open(board, Some(&s), &[]).unwrap();
            x
        })
        .collect();
    let mut log2: Vec<Entry> = vec![];
    let mut said = 0;
    let t = Instant::now();
    for n in 0..17_700u64 {
        let a = AuthorId([(n % 20) as u8 + 20; 16]);
        draft(
            &mut reps[(n % 20 / 5) as usize],
            a,
            1_700_001_000_000 + n * 1000,
            &[Edit::IncidentChange(
                mission,
                inc(n * 7 % 500),
                match n % 3 {
                    0 => IncidentChange { notes: Change::Set(format!("note {n}")), ..Default::default() },
                    1 => IncidentChange { priority: Some((n / 3 % 5) as u8 + 1), ..Default::default() },
                    _ => IncidentChange { area: Change::Set(format!("area {}", n % 50)), ..Default::default() },
                },
            )],
            &mut log2,
        );
        if n % 100 == 99 {
            for x in &mut reps {
                assert_eq!(x.merge(&log2[said..]).unreadable, 0);
            }
            said = log2.len();
        }
    }
    println!("17,700 edits by 20 authors, merges of 100 into 4: {:?} {}", t.elapsed(), rss());
    let cut = log2.len() * 12 / 17;
    let mut late = Replica::new();
    late.open(board, Some(&s), &[]).unwrap();
    let t = Instant::now();
    late.merge(&log2[..cut]);
    println!("merge {} in one call {:?}", cut, t.elapsed());
    let t = Instant::now();
    for part in log2[cut..].chunks(1500) {
        late.merge(part);
    }
    println!("merge {} in calls of 1500 on long history {:?}", log2.len() - cut, t.elapsed());
    let t = Instant::now();
    for e in &log2[..200] {
        let _ = late.merge(std::slice::from_ref(e));
    }
    println!("200 duplicates one by one {:?}", t.elapsed());
    println!("held {}, heads equal {}", late.held(), late.heads(board) == reps[0].heads(board));
    let mut missing: Vec<Entry> = log2[cut..].to_vec();
    missing.sort_by_key(|e| e.key);
    let raw: usize = missing.iter().map(|e| e.body.len()).sum();
    let t = Instant::now();
    let (f, b) = late.pack(board, &missing, true);
    println!("pack {:?} {} of {} entries raw {raw}: {:?}", f, b.len(), missing.len(), t.elapsed());
    let t = Instant::now();
    let (f, b) = late.pack(board, &missing, false);
    println!("pack {:?} {}: {:?}", f, b.len(), t.elapsed());
    let mut part: Vec<Entry> = log2[cut..cut + 1200].to_vec();
    part.sort_by_key(|e| e.key);
    let t = Instant::now();
    let (f, b) = late.pack(board, &part, true);
    println!("pack of 1200 {:?} {}: {:?}", f, b.len(), t.elapsed());
    let t = Instant::now();
    let s2 = late.snapshot(board).unwrap();
    println!("save {} {:?}", s2.len(), t.elapsed());
    let t = Instant::now();
    late.open(board, Some(&s2), &[]).unwrap();
    println!("open {:?} {}", t.elapsed(), rss());
    let mut one = reps.swap_remove(1);
    let mut l3 = vec![];
    for n in 0..100u64 {
        draft(
            &mut one,
            AuthorId([21; 16]),
            1_800_000_000_000 + n,
            &[Edit::IncidentChange(
                mission,
                inc(n),
                IncidentChange { notes: Change::Set(format!("late {n}")), ..Default::default() },
            )],
            &mut l3,
        );
    }
    let t = Instant::now();
    for e in &l3 {
        let m = reps[0].merge(std::slice::from_ref(e));
        assert_eq!(m.unreadable, 0);
    }
    println!("100 single merges {:?}", t.elapsed());
    let _ = RecordId::Mission(mission);
}
