//! A JPEG as its back end gets it: what decoding takes, and nothing else.
//!
//! Whatever a back end could stumble over in its own way (stray bytes, odd versions, miscounted profiles, tables that
//! are missing, repeated or never used) isn't copied, so that any complaint of a back end about the rest is damage, and
//! no warning has to be forgiven.

use super::{
    frame::{CodedScan, Frame, Model},
    huffman::Code,
    segments::{APP14, DHT, DQT, DRI, EOI, RST0, SOI, SOS},
};

/// Written as 8 bits where they are enough.
const MAX_STEP_8: u16 = 255;

impl Frame<'_> {
    /// Channels are named 1, 2, …; each has a quantisation table of its own, and each scan the Huffman tables it uses.
    pub(super) fn clean(&self) -> Vec<u8> {
        let coded = self.scans.iter().flat_map(|scan| &scan.stretches);
        let mut out = Vec::with_capacity(2048 + coded.map(|bytes| bytes.len() + 2).sum::<usize>());
        out.extend([0xff, SOI]);
        if let Some(transform) = self.model.adobe() {
            let content = [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat();
            segment(&mut out, APP14, &content);
        }
        for (number, steps) in (0..).zip(&self.steps) {
            let is_wide = steps.iter().any(|step| *step > MAX_STEP_8);
            let mut content = vec![u8::from(is_wide) << 4 | number];
            for step in steps {
                content.extend(&step.to_be_bytes()[usize::from(!is_wide)..]);
            }
            segment(&mut out, DQT, &content);
        }
        self.write_header(&mut out);
        let mut written = Written::default();
        for scan in &self.scans {
            written.scan(&mut out, scan);
        }
        out.extend([0xff, EOI]);
        out
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        let header = &self.header;
        let mut content = vec![8];
        content.extend((header.height as u16).to_be_bytes());
        content.extend((header.width as u16).to_be_bytes());
        content.push(header.channels.len() as u8);
        for (number, channel) in (0..).zip(&header.channels) {
            content.extend([number + 1, (channel.h << 4 | channel.v) as u8, number]);
        }
        // Extended sequential coding may use four tables, baseline only two.
        segment(out, if header.progressive { 0xc2 } else { 0xc1 }, &content);
    }
}

impl Model {
    /// Adobe's number for it, which every back end obeys; none for luma, which needs none.
    fn adobe(self) -> Option<u8> {
        match self {
            Self::Luma => None,
            Self::Rgb | Self::Cmyk => Some(0),
            Self::YCbCr => Some(1),
            Self::Ycck => Some(2),
        }
    }
}

/// What the scans written so far have set.
#[derive(Default)]
struct Written<'a> {
    codes: Vec<(u8, Code<'a>)>,
    restart_interval: u16,
}

impl<'a> Written<'a> {
    fn scan(&mut self, out: &mut Vec<u8>, coded: &CodedScan<'a>) {
        let mut content = vec![coded.scan.channels.len() as u8];
        for channel in &coded.scan.channels {
            let (dc, ac) = coded.codes[channel.index];
            // Where a scan needs no table, a back end may still want that of this number to exist: 0 always does.
            let dc = dc.map_or(0, |code| self.code(out, channel.dc, code));
            let ac = ac.map_or(0, |code| self.code(out, 0x10 | channel.ac, code));
            content.extend([channel.index as u8 + 1, dc << 4 | ac & 15]);
        }
        let scan = &coded.scan;
        content.extend([scan.first, scan.last, scan.high << 4 | scan.low]);
        if coded.restart_interval != self.restart_interval {
            self.restart_interval = coded.restart_interval;
            segment(out, DRI, &coded.restart_interval.to_be_bytes());
        }
        segment(out, SOS, &content);
        for (number, stretch) in coded.stretches.iter().enumerate() {
            if number > 0 {
                out.extend([0xff, RST0 + ((number - 1) % 8) as u8]);
            }
            out.extend(*stretch);
        }
    }

    /// Writes a table unless it is in force, and returns its number.
    fn code(&mut self, out: &mut Vec<u8>, number: u8, code: Code<'a>) -> u8 {
        let known = self.codes.iter_mut().find(|known| known.0 == number);
        let is_new = match known {
            Some(known) => std::mem::replace(&mut known.1, code) != code,
            None => {
                self.codes.push((number, code));
                true
            }
        };
        if is_new {
            segment(
                out,
                DHT,
                &[&[number], &code.counts[..], code.symbols].concat(),
            );
        }
        number
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}
