#include "image/jpeg_gray_scan.hpp"

#include <bit>
#include <cstdlib>

namespace millrace::image {
namespace {

/// The value of a `size`-bit difference whose bits are `bits` (T.81 F.2.2.1, EXTEND).
constexpr int extend(std::uint32_t bits, unsigned size) noexcept {
  if (size == 0 || (bits >> (size - 1)) != 0) return static_cast<int>(bits);
  return static_cast<int>(bits) - (1 << size) + 1;
}

struct Component {
  std::uint32_t blocks_h = 1;
  std::uint32_t blocks_v = 1;
  int dc = 0;
  std::unique_ptr<HuffmanWalker> dc_codes;
  std::unique_ptr<AcWalker> ac_codes;
};

/// The blocks of one row of an MCU row.
struct Row {
  explicit Row(std::size_t bytes_max) : bits(bytes_max) {}
  BitString bits;
  int first_dc = 0;
  int last_dc = 0;
};

template <class Walker>
Result<std::unique_ptr<Walker>> make_walker(const HuffmanSpec* spec) {
  auto walker = std::make_unique<Walker>();
  if (const auto built = walker->build(*spec); !built) return fail(built.error());
  return walker;
}

class Rewriter {
 public:
  Rewriter(const ScanPlan& plan, Bytes data, CancelCheck cancel, ImageBytes& out)
      : plan_(plan), reader_(data), cancel_(cancel), out_(out) {}

  Result<void> prepare();
  Result<void> run();

 private:
  bool mcu(std::uint32_t column);
  bool skip_block(Component& c);
  bool luma_block(Component& c, std::uint32_t row, std::uint32_t column);
  bool read_dc(Component& c);
  bool pass_ac(const AcWalker& codes);
  bool refine_block(bool kept, Row& row);
  void copy_bits(std::size_t from, std::size_t to, BitString& sink) const;
  bool put_difference(int difference, BitString& sink);
  bool restart_if_due();
  bool finish_row();
  [[nodiscard]] bool is_kept(std::uint32_t row, std::uint32_t column) const {
    return column < plan_.columns && mcu_row_ * rows_.size() + row < plan_.rows;
  }

  const ScanPlan& plan_;
  EntropyReader reader_;
  CancelCheck cancel_;
  ImageBytes& out_;
  std::array<Component, 4> components_;
  std::vector<Row>
      rows_;  ///< the first one goes on from MCU row to MCU row, the others are appended to it
  int previous_dc_ = 0;  ///< of the last block written
  std::uint32_t mcu_row_ = 0;
  std::uint32_t until_restart_ = 0;
  unsigned restarts_ = 0;
  bool wide_difference_ = false;
};

Result<void> Rewriter::prepare() {
  for (std::uint32_t i = 0; i < plan_.count; ++i) {
    const ScanComponent& from = plan_.components[i];
    Component& to = components_[i];
    to.blocks_h = from.blocks_h;
    to.blocks_v = from.blocks_v;
    if (plan_.kind == ScanKind::kDcRefine) continue;
    auto dc = make_walker<HuffmanWalker>(from.dc);
    if (!dc) return fail(dc.error());
    to.dc_codes = std::move(*dc);
    if (plan_.kind == ScanKind::kDcFirst) continue;
    auto ac = make_walker<AcWalker>(from.ac);
    if (!ac) return fail(ac.error());
    to.ac_codes = std::move(*ac);
  }
  // Pages that nothing is written to cost nothing.
  const std::uint32_t height = plan_.components[plan_.luma].blocks_v;
  const std::size_t row_bytes = plan_.columns * kBlockBytesMax + 64;
  for (std::uint32_t i = 0; i < height; ++i)
    rows_.emplace_back(i == 0 ? height * row_bytes : row_bytes);
  until_restart_ = plan_.restart_interval;
  return {};
}

Result<void> Rewriter::run() {
  const ScanComponent& luma = plan_.components[plan_.luma];
  const std::uint32_t mcu_columns = (plan_.columns + luma.blocks_h - 1) / luma.blocks_h;
  const std::uint32_t mcu_rows = (plan_.rows + luma.blocks_v - 1) / luma.blocks_v;
  for (mcu_row_ = 0; mcu_row_ < mcu_rows; ++mcu_row_) {
    if (cancel_.cancelled()) return fail(Errc::kCancelled);
    for (std::uint32_t column = 0; column < mcu_columns; ++column) {
      if (!restart_if_due()) return fail(Errc::kMalformedMedia);
      if (!mcu(column * luma.blocks_h)) return fail(Errc::kMalformedMedia);
    }
    if (!finish_row()) return fail(wide_difference_ ? Errc::kUnsupportedMedia : Errc::kOutOfMemory);
  }
  if (!reader_.finished()) return fail(Errc::kMalformedMedia);
  BitString& last = rows_[0].bits;
  last.pad();
  if (!append_stuffed(last.whole(), out_)) return fail(Errc::kOutOfMemory);
  return {};
}

bool Rewriter::restart_if_due() {
  if (plan_.restart_interval == 0) return true;
  if (until_restart_ == 0) {
    if (!reader_.restart(restarts_++ & 7)) return false;
    for (Component& c : components_) c.dc = 0;
    until_restart_ = plan_.restart_interval;
  }
  --until_restart_;
  return true;
}

bool Rewriter::mcu(std::uint32_t column) {
  reader_.fill();
  for (std::uint32_t i = 0; i < plan_.count; ++i) {
    Component& c = components_[i];
    for (std::uint32_t y = 0; y < c.blocks_v; ++y) {
      for (std::uint32_t x = 0; x < c.blocks_h; ++x) {
        if (!(i == plan_.luma ? luma_block(c, y, column + x) : skip_block(c))) return false;
      }
    }
  }
  return !reader_.overrun();
}

bool Rewriter::skip_block(Component& c) {
  if (plan_.kind == ScanKind::kDcRefine) {
    reader_.seek(reader_.position() + 1);
    return true;
  }
  const HuffmanEntry code = c.dc_codes->at(reader_.peek(reader_.position()));
  if (code.size > kDcCategoryMax) return false;
  reader_.seek(reader_.position() + code.total_bits);
  return plan_.kind == ScanKind::kDcFirst || pass_ac(*c.ac_codes);
}

bool Rewriter::luma_block(Component& c, std::uint32_t row, std::uint32_t column) {
  Row& to = rows_[row];
  const bool kept = is_kept(row, column);
  if (plan_.kind == ScanKind::kDcRefine) return refine_block(kept, to);
  if (!read_dc(c)) return false;
  const std::size_t ac_begin = reader_.position();
  if (plan_.kind == ScanKind::kSequential && !pass_ac(*c.ac_codes)) return false;
  if (!kept) return true;
  // The first block of a lower row follows the upper row's last one, which is not read yet.
  if (column == 0) to.first_dc = c.dc;
  if (column == 0 && row == 0 && !put_difference(c.dc - previous_dc_, to.bits)) return false;
  if (column != 0 && !put_difference(c.dc - to.last_dc, to.bits)) return false;
  to.last_dc = c.dc;
  copy_bits(ac_begin, reader_.position(), to.bits);
  return true;
}

bool Rewriter::refine_block(bool kept, Row& row) {
  const std::size_t at = reader_.position();
  if (kept) row.bits.put(reader_.peek(at) >> 63, 1);
  reader_.seek(at + 1);
  return true;
}

bool Rewriter::read_dc(Component& c) {
  const std::size_t at = reader_.position();
  const std::uint64_t bits = reader_.peek(at);
  const HuffmanEntry code = c.dc_codes->at(bits);
  if (code.size > kDcCategoryMax) return false;
  if (code.size != 0) {
    const auto extra = static_cast<std::uint32_t>(bits << code.code_bits >> (64 - code.size));
    c.dc += extend(extra, code.size);
  }
  // 8-bit samples need 11 bits and a sign; far more than that is damage, and must not overflow.
  if (std::abs(c.dc) > 1 << 13) return false;
  reader_.seek(at + code.code_bits + code.size);
  return true;
}

bool Rewriter::pass_ac(const AcWalker& codes) {
  // A code of 16 bits still lies within the 57 good ones behind this many.
  constexpr unsigned kUsedMax = 57 - 16;
  std::size_t at = reader_.position();
  unsigned k = 1;
  while (k < 64) {
    const std::uint64_t bits = reader_.peek(at);
    unsigned used = 0;
    do {
      const AcStep step = codes.at(bits << used);
      // The second code belongs to this block unless the first fills it.
      const bool both = k + step.advance < 64;
      used += both ? step.pair_bits : step.total_bits;
      k += both ? step.pair_advance : step.advance;
    } while (k < 64 && used <= kUsedMax);
    at += used;
  }
  reader_.seek(at);
  return k == 64 || (k > kEndOfBlock && k < kEndOfBlock + 64);
}

void Rewriter::copy_bits(std::size_t from, std::size_t to, BitString& sink) const {
  constexpr unsigned kStep = 56;
  for (; to - from > kStep; from += kStep) sink.put(reader_.peek(from) >> (64 - kStep), kStep);
  const auto rest = static_cast<unsigned>(to - from);
  if (rest != 0) sink.put(reader_.peek(from) >> (64 - rest), rest);
}

bool Rewriter::put_difference(int difference, BitString& sink) {
  const auto size =
      static_cast<unsigned>(std::bit_width(static_cast<unsigned>(std::abs(difference))));
  if (size > kDcCategoryMax) {
    wide_difference_ = true;
    return false;
  }
  const HuffmanCode code = standard_dc_codes()[size];
  const auto low = static_cast<unsigned>(difference < 0 ? difference - 1 : difference);
  sink.put(std::uint64_t{code.bits} << size | (low & ((1u << size) - 1)), code.length + size);
  return true;
}

/// Joins the rows of this MCU row and hands out their whole bytes.
bool Rewriter::finish_row() {
  Row& joined = rows_[0];
  previous_dc_ = joined.last_dc;
  for (std::uint32_t i = 1; i < rows_.size() && is_kept(i, 0); ++i) {
    Row& row = rows_[i];
    if (plan_.kind != ScanKind::kDcRefine &&
        !put_difference(row.first_dc - previous_dc_, joined.bits)) {
      return false;
    }
    joined.bits.append(row.bits);
    row.bits.clear();
    previous_dc_ = row.last_dc;
  }
  if (!append_stuffed(joined.bits.whole(), out_)) return false;
  joined.bits.drop_whole();
  return true;
}

}  // namespace

Result<void> rewrite_scan(const ScanPlan& plan, Bytes data, CancelCheck cancel, ImageBytes& out) {
  const auto rewriter = std::make_unique<Rewriter>(plan, data, cancel, out);
  if (const auto prepared = rewriter->prepare(); !prepared) return prepared;
  return rewriter->run();
}

}  // namespace millrace::image
