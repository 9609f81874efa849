// See NpyHeader.h.
#include "runtime/data/formats/NpyHeader.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/FileHead.h"

#include <algorithm>

namespace danaus {

namespace {

using ull = unsigned long long;

Error broken(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

/// The dict, read from left to right. Every function says whether it went well and moves on.
class DictReader {
public:
  DictReader(std::string_view text, NpyHeader &into) : rest(text), header(into) {}

  bool read() {
    if (!take('{'))
      return false;
    while (!take('}')) {
      if (!readEntry() || !(take(',') || peek('}')))
        return false;
    }
    skipBlanks();
    return rest.empty() && seen == 7;
  }

private:
  void skipBlanks() {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\n' || rest[0] == '\t'))
      rest.remove_prefix(1);
  }
  bool peek(char wanted) {
    skipBlanks();
    return !rest.empty() && rest[0] == wanted;
  }
  bool take(char wanted) {
    if (!peek(wanted))
      return false;
    rest.remove_prefix(1);
    return true;
  }
  bool takeWord(std::string_view word) {
    skipBlanks();
    if (!rest.starts_with(word))
      return false;
    rest.remove_prefix(word.size());
    return true;
  }
  bool readString(std::string &into) {
    char quote = peek('"') ? '"' : '\'';
    if (!take(quote))
      return false;
    size_t end = rest.find(quote);
    if (end == std::string_view::npos)
      return false;
    into = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return into.find('\\') == std::string::npos;
  }
  /// Records of several fields have a list as their type: kept as its text.
  bool readType() {
    if (!peek('['))
      return readString(header.dtype);
    size_t end = rest.find(']');
    if (end == std::string_view::npos)
      return false;
    header.dtype = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    return true;
  }
  bool readOrder() {
    header.fortranOrder = takeWord("True");
    return header.fortranOrder || takeWord("False");
  }
  bool readExtent() {
    skipBlanks();
    size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > 19 || (digits > 1 && rest[0] == '0'))
      return false;
    uint64_t value = 0;
    for (char digit : rest.substr(0, digits))
      value = value * 10 + uint64_t(digit - '0');
    rest.remove_prefix(digits);
    // Files of Python 2 have long integers.
    if (!rest.empty() && rest[0] == 'L')
      rest.remove_prefix(1);
    header.shape.push_back(value);
    return header.shape.size() <= npyRankLimit;
  }
  bool readShape() {
    if (!take('('))
      return false;
    while (!take(')')) {
      if (!readExtent())
        return false;
      bool comma = take(',');
      if (!comma && (!peek(')') || header.shape.size() == 1))
        return false;
    }
    return true;
  }
  bool readEntry() {
    std::string key;
    if (!readString(key) || !take(':'))
      return false;
    unsigned bit = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
    if (bit == 0 || (seen & bit))
      return false;
    seen |= bit;
    return bit == 1 ? readType() : bit == 2 ? readOrder() : readShape();
  }

  std::string_view rest;
  NpyHeader &header;
  unsigned seen = 0;
};

/// Where the dict lies.
struct Place {
  uint64_t offset = 0, size = 0;
};

Expected<Place> findDict(std::string_view head, const std::string &path) {
  if (head.empty())
    return broken(path, "is empty");
  if (FileKind kind = recogniseHead(head); kind != FileKind::Npy)
    return broken(
        path,
        std::string("is not a numpy array (.npy)") +
            (kind == FileKind::Unknown ? "" : std::string(" but ") + describe(kind)) +
            (kind == FileKind::Zip ? ": an .npz holds several; save each with numpy.save" : ""));
  if (head.size() < 12)
    return broken(path, "is cut short: its header is not whole");
  auto byte = [&](size_t index) { return uint64_t(uint8_t(head[index])); };
  if (byte(6) < 1 || byte(6) > 3 || byte(7) != 0)
    return broken(path, format("is a numpy array of version %llu.%llu; 1.0, 2.0 and 3.0 are known",
                               ull(byte(6)), ull(byte(7))));
  Place place{10, byte(8) | byte(9) << 8};
  if (byte(6) > 1)
    place = {12, place.size | byte(10) << 16 | byte(11) << 24};
  if (place.size > npyHeaderByteLimit)
    return broken(path, format("has a header of %llu bytes, more than the %llu that are allowed",
                               ull(place.size), ull(npyHeaderByteLimit)));
  if (place.offset + place.size > head.size())
    return broken(path, "is cut short: its header is not whole");
  return place;
}

} // namespace

Expected<NpyHeader> parseNpyHeader(std::string_view head, const std::string &path) {
  Expected<Place> place = findDict(head, path);
  if (!place)
    return place.takeError();
  NpyHeader header;
  header.dataOffset = place->offset + place->size;
  if (!DictReader(head.substr(place->offset, place->size), header).read())
    return broken(path, "is damaged: its header is not what numpy.save writes");
  return header;
}

Expected<NpyHeader> readNpyHeader(const std::string &path) {
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  Expected<uint64_t> size = fileSize(path);
  if (!size)
    return size.takeError();
  std::string head(size_t(std::min<uint64_t>(*size, npyHeaderByteLimit + 12)), '\0');
  if (Status status = readExactly(file->get(), head.data(), head.size(), 0, path); !status)
    return status.takeError();
  return parseNpyHeader(head, path);
}

} // namespace danaus
