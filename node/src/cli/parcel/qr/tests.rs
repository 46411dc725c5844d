//! Fear: a phone reads off the screen something else than the node drew, or nothing.

use holdfast_driver::parcel::frames::FRAME_FILE_BYTES;

use super::*;

/// What a reader that knows nothing of us makes of a picture, given which of its dots are dark.
fn scanned(width: usize, height: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let mut picture =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| if dark(x, y) { 0 } else { 255 });
    let grids = picture.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the picture");
    grids[0].decode().expect("it reads").1
}

/// The dark rectangles of a drawing, as (left, top, width, height).
fn rectangles(drawing: &str) -> Vec<[usize; 4]> {
    let path = drawing.split(" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a path");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let rectangle = |part: &str| {
        let (at, size) = part.split_once('h').expect("M x y h");
        let (left, top) = at.trim().split_once([' ', ',']).expect("x y");
        let (width, rest) = size.split_once('v').expect("h w v h");
        let height = rest.split(['h', 'H']).next().expect("a height");
        [number(left), number(top), number(width), number(height)]
    };
    path.split('M').filter(|part| !part.trim().is_empty()).map(rectangle).collect()
}

fn scan_drawing(drawing: &str) -> String {
    let side: usize = drawing
        .split("width=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a width")
        .parse()
        .expect("a number");
    let mut dark = vec![false; side * side];
    for [left, top, width, height] in rectangles(drawing) {
        (top..top + height).for_each(|y| dark[y * side + left..y * side + left + width].fill(true));
    }
    scanned(side, side, |x, y| dark[y * side + x])
}

fn scan_characters(text: &str) -> String {
    const DOT: usize = 4;
    let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    // A block of characters is light on a dark terminal, so what is not drawn is dark.
    let light = |x: usize, y: usize| matches!((rows[y / 2][x], y % 2), ('█', _) | ('▀', 0) | ('▄', 1));
    // The last row of characters may reach half a character beyond the picture.
    let (width, height) = (rows[0].len(), (rows.len() * 2).min(rows[0].len()));
    scanned(width * DOT, height * DOT, |x, y| !light(x / DOT, y / DOT))
}

fn file() -> Vec<u8> {
    (0..3 * FRAME_FILE_BYTES as u32 - 100).map(|number| (number * 37 + number / 256) as u8).collect()
}

#[test]
fn what_is_drawn_is_read_again_by_a_reader_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let codes = folder.path().join("codes");
    assert_eq!(draw(&file(), &codes).expect("drawn"), 3);
    let again = draw(&file(), &codes).expect_err("frames of two parcels must not mix").to_string();
    assert!(again.contains("give another folder"), "{again}");
    let read = |number| {
        let name = codes.join(format!("frame-{number:03}-of-003.svg"));
        scan_drawing(&std::fs::read_to_string(name).expect("a drawing"))
    };
    let texts = folder.path().join("scanned.txt");
    std::fs::write(&texts, [read(3), read(1)].join("\n")).expect("written");
    let fault = collect(std::slice::from_ref(&texts)).expect_err("one was not scanned").to_string();
    assert!(fault.contains("scan 2"), "{fault}");
    let late = folder.path().join("late.txt");
    std::fs::write(&late, read(2)).expect("written");
    assert_eq!(collect(&[texts, late]).expect("all"), file());
}

#[test]
fn what_a_terminal_shows_is_read_again_too() {
    let texts = split(&file()).expect("small enough");
    assert_eq!(code(&texts[0]).expect("a code").width(), 85, "modules a side");
    let typed: Vec<String> = texts.iter().map(|text| scan_characters(&characters(text).expect("drawn"))).collect();
    assert_eq!(typed, texts);
}
