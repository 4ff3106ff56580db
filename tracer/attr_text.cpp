#include "tracer/attr_text.h"

#include <cstdio>
#include <cstring>

namespace kiln::tracer {
namespace {

struct AttrText {
  std::string operator()(std::monostate) const { return "none"; }
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(int64_t i) const { return std::to_string(i); }
  std::string operator()(double f) const {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", f);
    return std::string(text) + (std::strpbrk(text, ".en") ? "" : ".0");  // told from an integer
  }
  std::string operator()(DType t) const { return std::string(info(t).short_name); }
  std::string operator()(const eager::Dims& d) const { return eager::to_string(d); }
  std::string operator()(const std::string& s) const { return "\"" + s + "\""; }
};

}  // namespace

std::string text(const eager::Attr& attr) { return std::visit(AttrText{}, attr); }

}  // namespace kiln::tracer
