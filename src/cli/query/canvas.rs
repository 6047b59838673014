//! A grid of dots in characters: braille has eight dots in each, two across and four down.

/// Dots across in a character.
pub(super) const ACROSS: usize = 2;
/// Dots down in a character.
pub(super) const DOWN: usize = 4;

/// The bit of each dot, by row and column within a character (Unicode, block "Braille Patterns").
const BITS: [[u8; ACROSS]; DOWN] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// What stands in one character.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cell {
    /// The dots.
    pub(super) dots: u8,
    /// Which pen drew last.
    pub(super) pen: usize,
}

impl Cell {
    /// The character with these dots.
    pub(super) fn braille(self) -> char {
        char::from_u32(0x2800 + u32::from(self.dots)).filter(|_| self.dots != 0).unwrap_or(' ')
    }
}

/// A grid of characters.
pub(super) struct Canvas {
    columns: usize,
    cells: Vec<Cell>,
}

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, cells: vec![Cell::default(); columns * rows] }
    }

    /// The rows from the top.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks(self.columns)
    }

    /// A straight line between two dots; what lies outside is not drawn.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize), pen: usize) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, step: usize| {
            (a as f64 + (b as f64 - a as f64) * step as f64 / steps as f64).round() as usize
        };
        for step in 0..=steps {
            self.dot(between(from.0, to.0, step), between(from.1, to.1, step), pen);
        }
    }

    /// One dot, counted from the top left.
    fn dot(&mut self, x: usize, y: usize, pen: usize) {
        let (column, row) = (x / ACROSS, y / DOWN);
        if column >= self.columns {
            return;
        }
        if let Some(cell) = self.cells.get_mut(row * self.columns + column) {
            cell.dots |= BITS[y % DOWN][x % ACROSS];
            cell.pen = pen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Dot = (usize, usize);

    fn drawn(columns: usize, rows: usize, lines: &[(Dot, Dot)]) -> Vec<String> {
        let mut canvas = Canvas::new(columns, rows);
        lines.iter().for_each(|(from, to)| canvas.line(*from, *to, 0));
        canvas.rows().map(|row| row.iter().map(|cell| cell.braille()).collect()).collect()
    }

    #[test]
    fn lines_are_dots() {
        assert_eq!(drawn(2, 1, &[((0, 0), (3, 3))]), ["⠑⢄"]);
        assert_eq!(drawn(2, 1, &[((0, 3), (3, 3))]), ["⣀⣀"]);
        assert_eq!(drawn(1, 2, &[((0, 0), (0, 7))]), ["⡇", "⡇"]);
        assert_eq!(drawn(1, 1, &[((1, 0), (1, 0))]), ["⠈"]);
    }

    #[test]
    fn what_lies_outside_is_not_drawn() {
        assert_eq!(drawn(1, 1, &[((5, 0), (9, 0)), ((0, 9), (1, 9))]), [" "]);
    }
}
