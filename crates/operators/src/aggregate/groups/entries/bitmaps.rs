//! How bitmaps of groups lie in an entry: in the portable format of Roaring bitmaps, as in a column.
//!
//! Counts are the number of their planes, the planes and the sign.

use flott_api::Result;
use flott_api::aggregate::PerGroup;
use flott_api::bitmap::{Bitmap, BitmapCounts};
use flott_state::codec::{damaged, put_short, take, take_short};

/// No count needs more bits.
const PLANES_MAX: u64 = 64;

pub(super) fn save(bitmap: Option<&Bitmap>, out: &mut Vec<u8>) {
    // Nothing is written for no value, which is what most groups of a FILTER have.
    let Some(bitmap) = bitmap.filter(|bitmap| !bitmap.is_empty()) else { return put_short(out, 0) };
    put_short(out, bitmap.serialized_bytes() as u64);
    bitmap.put(out);
}

fn read(input: &mut &[u8]) -> Result<Bitmap> {
    match usize::try_from(take_short(input)?) {
        Ok(0) => Ok(Bitmap::default()),
        Ok(bytes) => Bitmap::read(take(input, bytes)?).map_err(|_| damaged("the bitmap of an aggregate")),
        Err(_) => Err(damaged("the length of a bitmap")),
    }
}

pub(super) fn load(view: &mut PerGroup<Bitmap>, group: u32, input: &mut &[u8]) -> Result<()> {
    let bitmap = read(input)?;
    view.edit(&[group], |values| {
        values[group as usize] = bitmap;
        Ok(())
    })
}

pub(super) fn save_counts(counts: Option<&BitmapCounts>, out: &mut Vec<u8>) {
    let Some((planes, sign)) = counts.map(BitmapCounts::parts) else {
        put_short(out, 0);
        return put_short(out, 0);
    };
    put_short(out, planes.len() as u64);
    planes.iter().chain([sign]).for_each(|plane| save(Some(plane), out));
}

pub(super) fn load_counts(view: &mut PerGroup<BitmapCounts>, group: u32, input: &mut &[u8]) -> Result<()> {
    let number = take_short(input)?;
    if number > PLANES_MAX {
        return Err(damaged("the counts of an aggregate"));
    }
    let planes = (0..number).map(|_| read(input)).collect::<Result<_>>()?;
    let counts = BitmapCounts::from_parts(planes, read(input)?);
    view.edit(&[group], |values| {
        values[group as usize] = counts;
        Ok(())
    })
}
