use proptest::prelude::*;

use super::*;

type Pair = (Vec<u8>, Vec<u8>);

fn listed(headers: &HeaderPairs) -> Vec<Pair> {
    headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

// The example of the proxy-wasm ABI: two headers, one of them empty.
const BUFFER: &[u8] = b"\x02\0\0\0\x05\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0:path\0/\0x\0\0";

#[test]
fn reads_the_buffer_of_the_host() {
    let headers = HeaderPairs::read(BUFFER.to_vec()).unwrap();
    assert_eq!(listed(&headers), [(b":path".to_vec(), b"/".to_vec()), (b"x".to_vec(), Vec::new())]);
    assert_eq!(headers.as_bytes(), BUFFER);
}

#[test]
fn no_bytes_and_no_headers_are_no_headers() {
    for bytes in [Vec::new(), vec![0; 4]] {
        assert_eq!(listed(&HeaderPairs::read(bytes).unwrap()), []);
    }
}

#[test]
fn refuses_a_buffer_that_is_cut_anywhere_or_goes_on() {
    for len in 1..BUFFER.len() {
        assert_eq!(HeaderPairs::read(BUFFER[..len].to_vec()), None, "{len} bytes of it");
    }
    assert_eq!(HeaderPairs::read([BUFFER, b"x"].concat()), None);
}

#[test]
fn refuses_lengths_that_no_buffer_has() {
    for number in [u32::MAX, u32::MAX / 8, 3] {
        let bytes = [&number.to_le_bytes(), &BUFFER[4..]].concat();
        assert_eq!(HeaderPairs::read(bytes), None, "{number} headers");
    }
    let mut bytes = BUFFER.to_vec();
    bytes[4..8].fill(0xff);
    assert_eq!(HeaderPairs::read(bytes), None);
}

proptest! {
    #[test]
    fn reads_what_it_writes(pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8)) {
        let written: HeaderPairs = pairs.iter().map(|(name, value)| (name, value)).collect();
        prop_assert_eq!(&HeaderPairs::read(written.as_bytes().to_vec()), &Some(written.clone()));
        prop_assert_eq!(listed(&written), pairs);
    }

    #[test]
    fn any_bytes_are_headers_or_refused(
        number in 0_u32..4,
        lengths in prop::collection::vec(0_u32..6, 0..10),
        texts in prop::collection::vec(0_u8..3, 0..24),
    ) {
        let lengths: Vec<u8> = lengths.iter().flat_map(|len| len.to_le_bytes()).collect();
        let bytes = [number.to_le_bytes().as_slice(), &lengths, &texts].concat();
        if let Some(headers) = HeaderPairs::read(bytes.clone()) {
            prop_assert_eq!(headers.iter().count(), number as usize);
            let again: HeaderPairs = headers.iter().collect();
            prop_assert_eq!(again.as_bytes(), bytes);
        }
    }
}
