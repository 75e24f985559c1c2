use super::*;

const HEADER: &str = r#"{"format":"latchkey-export","version":3,"epoch":"e","at":1767225600000}"#;
const RESERVED: &str = r#"{"reserved_user":{"username":"elastic","password_hash":null,"enabled":true}}"#;
const KEY: &str = r#"{"api_key":{"id":"a","salt":"AwMDAwMDAwMDAwMDAwMDAw==","digest":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=","name":"n","owner":{"username":"u","realm":"r","realm_type":null,"full_name":null,"email":null,"metadata":{}},"creation":1,"expiration":2,"invalidation":null,"role_descriptors":{},"limited_by":{"r":{"cluster":["all"],"indices":[],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}}},"metadata":{"x":[1.5]},"roles_vouched":true,"metadata_vouched":true}}"#;
const END: &str =
    r#"{"end":{"users":0,"reserved_users":1,"roles":0,"application_privileges":0,"api_keys":1}}"#;

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What is wrong with a file, or how many entries it has.
fn read(text: &str) -> Result<usize, String> {
    let (_, entries) = ExportReader::begin(text.as_bytes()).map_err(|invalid| invalid.to_string())?;
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|invalid| invalid.to_string())?;
    Ok(entries.len())
}

/// A file of version 1, in which nothing was said of who vouches.
fn of_version_1(key: &str) -> String {
    let header = HEADER.replace("\"version\":3", "\"version\":1");
    let key = key.replace(r#","roles_vouched":true,"metadata_vouched":true"#, "");
    text(&[&header, RESERVED, &key, END])
}

/// The file with what was read of another.
fn written_again(file: &str) -> String {
    let (header, entries) = ExportReader::begin(file.as_bytes()).unwrap();
    assert_eq!((header.epoch.as_str(), header.at), ("e", UnixMillis(1_767_225_600_000)));
    let mut written = Vec::new();
    let mut writer = ExportWriter::begin(&mut written, &Header::new(header.epoch, header.at)).unwrap();
    for entry in entries {
        writer.write(entry.unwrap()).unwrap();
    }
    writer.end().unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn reads_what_it_writes() {
    let file = text(&[HEADER, RESERVED, KEY, END]);
    assert_eq!(written_again(&file), file);
    assert!(!HEADER.contains("\"version\":1"));
}

// What was written by an earlier version stays readable. The owner, who may do everything, is held to have
// vouched; one who may not is not.
#[test]
fn reads_the_format_of_version_1() {
    let file = text(&[HEADER, RESERVED, KEY, END]);
    assert_eq!(written_again(&of_version_1(KEY)), file);
    let of_little = |text: &str| text.replace("[\"all\"]", "[\"monitor\"]");
    let not_vouched = of_little(&file).replace("vouched\":true", "vouched\":false");
    assert_eq!(written_again(&of_version_1(&of_little(KEY))), not_vouched);
}

#[test]
fn names_the_line_that_is_wrong_and_never_quotes_it() {
    let later = HEADER.replace("\"version\":3", "\"version\":4,\"more\":true");
    let bad_salt = KEY.replace("AwMDAwMDAwMDAwMDAwMDAw==", "hunter2");
    let bad_hash = RESERVED.replace("null", "\"hunter2\"");
    let unknown_field = KEY.replace("\"expiration\"", "\"hunter2\"");
    let bad_id = KEY.replace(r#""id":"a""#, r#""id":"hunter2\u001b[2J""#);
    let fewer = END.replace("\"api_keys\":1", "\"api_keys\":2");
    for (lines, expected) in [
        (&[][..], "line 1: does not begin an export of Latchkey"),
        (&["hunter2"], "line 1: does not begin an export of Latchkey"),
        (&[KEY], "line 1: does not begin an export of Latchkey"),
        (&[&later], "line 1: is of version 4 of the format; this Latchkey reads 1 to 3"),
        (&[HEADER], "line 2: the file ends here, before the line that counts its entries"),
        (&[HEADER, RESERVED, KEY], "line 4: the file ends here, before the line that counts its entries"),
        (&[HEADER, "{\"role\":{\"name\":\"hunter2"], "line 2: is not JSON, at column "),
        (&[HEADER, ""], "line 2: is not JSON, at column "),
        (&[HEADER, RESERVED, "{\"hunter2\":{}}"], "line 3: is not an entry, at column "),
        (&[HEADER, RESERVED, &bad_salt], "line 3: is not an entry, at column "),
        (&[HEADER, &unknown_field], "line 2: is not an entry, at column "),
        (&[HEADER, &bad_hash], "line 2: password_hash is not valid"),
        (&[HEADER, &bad_id], "line 2: id is not valid"),
        (&[HEADER, KEY, END], "line 3: counts other entries than those before it"),
        (&[HEADER, RESERVED, KEY, &fewer], "line 4: counts other entries than those before it"),
        (&[HEADER, RESERVED, KEY, END, KEY], "line 5: comes after the line that ends the file"),
    ] {
        let complaint = read(&text(lines)).unwrap_err();
        assert!(complaint.starts_with(expected), "{complaint}\n{expected}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[test]
fn a_line_is_text_also_where_nothing_of_it_is_read() {
    let whole = text(&[HEADER, RESERVED, KEY, END]);
    for place in ["transient_metadata\":{\"enab", "\"name\":\"n"] {
        let mut file = whole.clone().into_bytes();
        file[whole.find(place).unwrap() + place.len() - 1] = 0x80;
        let (_, entries) = ExportReader::begin(file.as_slice()).unwrap();
        let refused = entries.collect::<Result<Vec<_>, _>>().unwrap_err().to_string();
        assert!(refused.starts_with("line 3: is not JSON, at column "), "{refused}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let file = text(&[HEADER, RESERVED, KEY, END]);
    assert_eq!(read(&file), Ok(2));
    for len in 0..file.len() {
        assert!(read(&file[..len]).is_err(), "{}", &file[..len]);
    }
}

#[test]
fn refuses_a_line_without_end() {
    #[derive(Debug)]
    struct Endless;
    impl io::Read for Endless {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            bytes.fill(b' ');
            Ok(bytes.len())
        }
    }
    let refused = ExportReader::begin(io::BufReader::new(Endless)).unwrap_err();
    assert_eq!(refused.to_string(), format!("line 1: is longer than {EXPORT_LINE_LEN_MAX} bytes"));
}
