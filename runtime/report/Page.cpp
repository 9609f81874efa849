// See Page.h.
#include "runtime/report/Page.h"

#include "runtime/base/Status.h"
#include "runtime/report/Assets.h"

#include <algorithm>

namespace danaus {

std::string escapeHtml(const std::string &text) {
  std::string out;
  for (char character : text)
    switch (character) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += character;
    }
  return out;
}

std::string htmlPage(const std::string &title, const std::string &body,
                     const std::string &chartData) {
  std::string text = escapeHtml(title);
  std::string html =
      "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
      "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=viewport content=\"width=device-width\">\n<title>" +
      text + "</title>\n<style>\n" + std::string(pageStyle()) + "</style>\n<h1>" + text +
      "</h1>\n" + body;
  if (!chartData.empty()) {
    html += "<script type=\"application/json\" id=data>" + chartData + "</script>\n<script>";
    html.append(chartLibrary()).append("</script>\n<script>").append(reportScript());
    html += "</script>\n";
  }
  return html + "</html>\n";
}

std::string htmlRow(const std::vector<std::string> &cells, const char *tag,
                    const char *attributes) {
  std::vector<HtmlCell> plain;
  for (const std::string &cell : cells)
    plain.push_back({cell});
  return htmlCells(plain, tag, attributes);
}

std::string htmlCells(const std::vector<HtmlCell> &cells, const char *tag, const char *attributes) {
  std::string html = std::string("<tr") + attributes + ">";
  for (const HtmlCell &cell : cells) {
    std::string style = cell.isText ? " class=text" : "";
    if (cell.share >= 0)
      style = format(" class=bar style=\"--w:%.1f%%\"", 100 * std::min(cell.share, 1.0));
    html += std::string("<") + tag + style + ">" + escapeHtml(cell.text) + "</" + tag + ">";
  }
  return html + "</tr>\n";
}

std::string htmlTable(const std::string &rows, const char *classes) {
  return std::string("<div class=wide><table class=\"") + classes + "\">\n" + rows +
         "</table></div>\n";
}

std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t place = text.size(); place > 3;)
    text.insert(place -= 3, ",");
  return text;
}

std::string formatMebibytes(uint64_t bytes) {
  return format("%.1f MiB", double(bytes) / (1 << 20));
}

} // namespace danaus
